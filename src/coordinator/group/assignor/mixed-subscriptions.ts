import { byText } from './assignment.ts'
import type { OwnedTopic, Ownership } from './ownership.ts'

/**
 * As Kafka: a round halves the imbalance at least where subscriptions overlap in chains, and one round with one that finds
 * nothing is enough where they do not.
 */
const roundsMax = 16

/** Members with different subscriptions: topic by topic, what is free is given out, then what is unfair is moved. */
export function balanceMixedSubscriptions(ownership: Ownership): void {
  const topics = [...ownership.topics].sort(narrowestFirst)
  for (const topic of topics) giveOut(ownership, topic)
  const shared = topics.filter(topic => topic.subscribers.length > 1)
  for (let round = 0; round < roundsMax; round++) {
    let moved = 0
    for (const topic of shared) moved += level(ownership, topic)
    if (moved === 0) return
  }
}

/** Topics that weigh most on their subscribers are given out first: the others then fill up what is left. */
function narrowestFirst(a: OwnedTopic, b: OwnedTopic): number {
  return (
    b.owners.length * a.subscribers.length - a.owners.length * b.subscribers.length ||
    a.subscribers.length - b.subscribers.length ||
    byText(a.id, b.id)
  )
}

function giveOut(ownership: Ownership, topic: OwnedTopic): void {
  const free = indexesOf(topic.owners, owner => owner === -1)
  if (free.length === 0) return
  const loads = topic.subscribers.map(place => ownership.loads[place]!)
  const shares = fill(
    loads,
    loads.map(() => 0),
    free.length,
  )
  deal(ownership, topic, free, shares)
}

/** Moves partitions of one topic until no move would make its subscribers more equal. Returns how many it moved. */
function level(ownership: Ownership, topic: OwnedTopic): number {
  const { loads } = ownership
  let lightest = Number.POSITIVE_INFINITY
  for (const place of topic.subscribers) lightest = Math.min(lightest, loads[place]!)
  if (topic.owners.every(owner => loads[owner]! <= lightest + 1)) return 0

  const placeInTopic = new Map(topic.subscribers.map((place, index) => [place, index]))
  const held = topic.subscribers.map(() => 0)
  for (const owner of topic.owners) held[placeInTopic.get(owner)!]!++
  const shares = fill(
    topic.subscribers.map((place, index) => loads[place]! - held[index]!),
    held,
    topic.owners.length,
  )
  const taken: number[] = []
  for (let partition = topic.owners.length - 1; partition >= 0; partition--) {
    const index = placeInTopic.get(topic.owners[partition]!)!
    if (held[index]! <= shares[index]!) continue
    held[index]!--
    ownership.give(topic, partition, -1)
    taken.push(partition)
  }
  deal(
    ownership,
    topic,
    taken.reverse(),
    shares.map((share, index) => share - held[index]!),
  )
  return taken.length
}

/** Gives subscribers as many of `partitions` as `shares` says, in turns. */
function deal(ownership: Ownership, topic: OwnedTopic, partitions: readonly number[], shares: number[]): void {
  let next = 0
  for (const partition of partitions) {
    while (shares[next]! === 0) next = (next + 1) % shares.length
    shares[next]!--
    ownership.give(topic, partition, topic.subscribers[next]!)
    next = (next + 1) % shares.length
  }
}

/**
 * Pours `count` into vessels that stand at `levels`, so that the highest of those that get something ends as low as can be.
 * Returns what each gets. Where some get one more than others at the same level, it is those that `held` more than that.
 */
function fill(levels: readonly number[], held: readonly number[], count: number): number[] {
  const order = levels.map((_, index) => index).sort((a, b) => levels[a]! - levels[b]! || a - b)
  let below = 0
  let sum = 0
  while (below < order.length && levels[order[below]!]! * below - sum < count) sum += levels[order[below++]!]!
  const surface = Math.floor((count + sum) / below)
  let extra = (count + sum) % below
  const shares = levels.map(() => 0)
  for (let at = 0; at < below; at++) shares[order[at]!] = surface - levels[order[at]!]!
  for (const wanted of [true, false]) {
    for (let at = 0; at < below && extra > 0; at++) {
      const index = order[at]!
      if (held[index]! > surface - levels[index]! !== wanted) continue
      shares[index]!++
      extra--
    }
  }
  return shares
}

function indexesOf(owners: Int32Array, isWanted: (owner: number) => boolean): number[] {
  const indexes: number[] = []
  for (let index = 0; index < owners.length; index++) if (isWanted(owners[index]!)) indexes.push(index)
  return indexes
}
