import type { Turn } from '../../runtime/shard.ts'
import type { GroupContext } from '../group.ts'
import { compileTopicRegex, type TopicRegex } from '../regex/topic-regex.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { sameSet } from './member.ts'
import { groupEpochRecord, regexRecord } from './records.ts'

/** All expressions of a group are looked at again no sooner than this, whatever happens to topics. */
const refreshMinIntervalMs = 10_000

/**
 * Names that are matched in one turn to a plain expression: some milliseconds. A broker of 100,000 topics resolves one in 100
 * turns, and the shard serves other requests between them.
 */
const namesPerTurn = 1_000

/** One look at all topics for some of a group's expressions. */
interface Run {
  readonly names: readonly string[]
  readonly texts: readonly string[]
  /** Of the topics view when the names were taken. */
  readonly version: number
  /** For all of the group's expressions. */
  readonly whole: boolean
  readonly topics: Map<string, Set<string>>
  /** Of `texts` and of `names`: where the next turn goes on. One expression is compiled at a time: it takes megabytes. */
  textAt: number
  nameAt: number
  compiled: TopicRegex | undefined
}

/**
 * Finds out which topics the regular expressions of groups stand for: for new ones at once, for all of a group when topics
 * have changed, and every now and then. The heartbeat that asks for it does not wait; later ones see what came of it.
 * Deterministic: a function of the topics view and of the turns.
 */
export class RegexResolution {
  private readonly context: GroupContext
  /** Called when an expression stands for other topics than before. */
  private readonly changed: (group: ConsumerGroup, turn: Turn) => void
  private readonly runs = new Map<string, Run>()

  constructor(context: GroupContext, changed: (group: ConsumerGroup, turn: Turn) => void) {
    this.context = context
    this.changed = changed
  }

  /** Begins a run where one is due and none is under way. */
  refresh(group: ConsumerGroup, turn: Turn): void {
    const { regexes, resolved } = group.subscriptions
    if (regexes.size === 0 || this.runs.has(group.id)) return
    if (this.isStale(group, turn)) {
      group.regexesRefreshedMs = turn.nowMs
      group.regexesTooLarge.clear()
      this.begin(group, [...regexes.keys()], true, turn)
      return
    }
    const fresh = [...regexes.keys()].filter(text => !resolved.has(text) && !group.regexesTooLarge.has(text))
    if (fresh.length > 0) this.begin(group, fresh, false, turn)
  }

  private isStale(group: ConsumerGroup, turn: Turn): boolean {
    const ageMs = turn.nowMs - group.regexesRefreshedMs
    if (ageMs <= refreshMinIntervalMs) return false
    return (
      group.regexesResolvedAt !== this.context.topics.version || ageMs > this.context.settings.consumerRegexRefreshMs
    )
  }

  private begin(group: ConsumerGroup, texts: readonly string[], whole: boolean, turn: Turn): void {
    const run: Run = {
      names: Array.from(this.context.topics.topics(), topic => topic.name),
      texts,
      version: this.context.topics.version,
      whole,
      topics: new Map(),
      textAt: 0,
      nameAt: 0,
      compiled: undefined,
    }
    this.runs.set(group.id, run)
    this.later(group.id, run, turn)
  }

  private later(groupId: string, run: Run, turn: Turn): void {
    turn.after(`${groupId}/regex`, 0, next => {
      const group = this.context.groups.get(groupId)
      if (!(group instanceof ConsumerGroup)) this.runs.delete(groupId)
      else if (isDone(run)) this.finish(group, run, next)
      else {
        matchSome(run)
        this.later(groupId, run, next)
      }
    })
  }

  /** Writes what was found: as much of it as a batch takes, the rest in turns of their own. */
  private finish(group: ConsumerGroup, run: Run, turn: Turn): void {
    let changed = false
    for (const [text, topics] of run.topics) {
      if (isNews(group, text, topics)) {
        const record = regexRecord(group.id, text, { topics, version: run.version, timestampMs: turn.wallMs })
        const epochRecord = groupEpochRecord(group.id, group.groupEpoch, group.metadataHash)
        if (turn.fits(record, epochRecord, epochRecord)) {
          turn.append(record)
          changed = true
        } else if (changed) break
        else this.giveUp(group, text, topics.size)
      }
      run.topics.delete(text)
    }
    if (changed) this.changed(group, turn)
    if (run.topics.size > 0) {
      this.later(group.id, run, turn)
      return
    }
    this.runs.delete(group.id)
    if (run.whole) group.regexesResolvedAt = run.version
    // For expressions that came meanwhile.
    this.refresh(group, turn)
  }

  private giveUp(group: ConsumerGroup, regex: string, topics: number): void {
    group.regexesTooLarge.add(regex)
    this.context.logger.warn(
      { group: group.id, regex, topics },
      'a regular expression stands for more topics than a record can name: it keeps those that it stood for before',
    )
  }
}

/**
 * The first answer counts even when it is nothing: members may still be meant to own what an earlier expression stood for,
 * and the change of theirs did not bump the epoch.
 */
function isNews({ subscriptions }: ConsumerGroup, regex: string, topics: ReadonlySet<string>): boolean {
  const before = subscriptions.resolved.get(regex)?.topics
  return subscriptions.regexes.has(regex) && (before === undefined || !sameSet(topics, before))
}

function matchSome(run: Run): void {
  const text = run.texts[run.textAt]!
  if (run.compiled === undefined) {
    const compiled = compileTopicRegex(text)
    run.topics.set(text, new Set())
    run.nameAt = 0
    // One that was taken by an earlier version, and that this one does not take, stands for nothing.
    if (!compiled.ok) {
      run.textAt++
      return
    }
    run.compiled = compiled.value
  }
  const topics = run.topics.get(text)!
  const end = Math.min(run.nameAt + Math.ceil(namesPerTurn / run.compiled.cost), run.names.length)
  for (; run.nameAt < end; run.nameAt++) {
    const name = run.names[run.nameAt]!
    if (run.compiled.matches(name)) topics.add(name)
  }
  if (run.nameAt < run.names.length) return
  run.textAt++
  run.compiled = undefined
}

const isDone = (run: Run): boolean => run.textAt === run.texts.length
