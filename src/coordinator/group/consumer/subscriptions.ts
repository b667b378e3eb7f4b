import { type ConsumerGroupMember, sameSet } from './member.ts'
import type { ResolvedRegex } from './records.ts'

interface NamesInUse {
  readonly names: ReadonlySet<string>
  members: number
}

/**
 * What the members of a group are subscribed to. Members with the same names share one set, so that what is computed for
 * one of a thousand like members is computed once.
 */
export class Subscriptions {
  private readonly inUse = new Map<string, NamesInUse>()
  /** Members of each regular expression that has any. */
  private readonly regexMembers = new Map<string, number>()
  private readonly resolvedRegexes = new Map<string, ResolvedRegex>()

  get resolved(): ReadonlyMap<string, ResolvedRegex> {
    return this.resolvedRegexes
  }

  /** Of which there are members, resolved or not. */
  get regexes(): ReadonlyMap<string, number> {
    return this.regexMembers
  }

  get hasUnresolved(): boolean {
    for (const regex of this.regexMembers.keys()) if (!this.resolvedRegexes.has(regex)) return true
    return false
  }

  includes(topic: string): boolean {
    for (const { names } of this.inUse.values()) if (names.has(topic)) return true
    for (const regex of this.regexMembers.keys()) if (this.resolvedRegexes.get(regex)?.topics.has(topic)) return true
    return false
  }

  /** The names of all topics that somebody is subscribed to. */
  topics(): ReadonlySet<string> {
    const topics = new Set<string>()
    for (const { names } of this.inUse.values()) for (const name of names) topics.add(name)
    for (const regex of this.regexMembers.keys()) {
      for (const name of this.resolvedRegexes.get(regex)?.topics ?? []) topics.add(name)
    }
    return topics
  }

  /** `after` takes the place of `before`; returns it with the set of names that it shares. */
  replace(before: ConsumerGroupMember | undefined, after: ConsumerGroupMember): ConsumerGroupMember
  replace(before: ConsumerGroupMember, after: undefined): undefined
  replace(
    before: ConsumerGroupMember | undefined,
    after: ConsumerGroupMember | undefined,
  ): ConsumerGroupMember | undefined {
    const same = before !== undefined && after !== undefined
    if (same && sameSet(before.subscribedTopicNames, after.subscribedTopicNames)) {
      this.countRegex(after.subscribedTopicRegex, 1)
      this.countRegex(before.subscribedTopicRegex, -1)
      return { ...after, subscribedTopicNames: before.subscribedTopicNames }
    }
    const shared = after && { ...after, subscribedTopicNames: this.share(after.subscribedTopicNames) }
    if (after !== undefined) this.countRegex(after.subscribedTopicRegex, 1)
    if (before !== undefined) {
      this.unshare(before.subscribedTopicNames)
      this.countRegex(before.subscribedTopicRegex, -1)
    }
    return shared
  }

  resolve(regex: string, resolved: ResolvedRegex | undefined): void {
    if (resolved === undefined) this.resolvedRegexes.delete(regex)
    else this.resolvedRegexes.set(regex, resolved)
  }

  private share(names: ReadonlySet<string>): ReadonlySet<string> {
    const key = keyOf(names)
    const known = this.inUse.get(key)
    if (known === undefined) {
      this.inUse.set(key, { names, members: 1 })
      return names
    }
    known.members++
    return known.names
  }

  private unshare(names: ReadonlySet<string>): void {
    const key = keyOf(names)
    const known = this.inUse.get(key)!
    if (--known.members === 0) this.inUse.delete(key)
  }

  private countRegex(regex: string, by: 1 | -1): void {
    if (regex === '') return
    const count = (this.regexMembers.get(regex) ?? 0) + by
    if (count === 0) this.regexMembers.delete(regex)
    else this.regexMembers.set(regex, count)
  }
}

const keyOf = (names: ReadonlySet<string>): string => JSON.stringify([...names].sort())
