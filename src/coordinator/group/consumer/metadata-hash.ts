import type { TopicFacts, TopicsView } from '../topics-view.ts'

/**
 * Tells whether what a group's topics are has changed since a target assignment was made: their names, ids and numbers
 * of partitions. 64 bits, as Kafka's record has them, of a function of our own: no other broker compares it. 0: of none.
 */
export function metadataHash(names: Iterable<string>, topics: TopicsView): bigint {
  let high = 0
  let low = 0
  for (const name of names) {
    const topic = topics.topic(name)
    if (topic === undefined) continue
    const [h, l] = topicHash(topic)
    // A sum: the order of the names makes no difference.
    high = (high + h) | 0
    low = (low + l) | 0
  }
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}

function topicHash({ name, id, partitions }: TopicFacts): readonly [number, number] {
  const text = `${name} ${id} ${partitions}`
  let a = 0x811c9dc5
  let b = 0x2f0b4c47
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x5bd1e995) ^ (b >>> 13)
  }
  return [mix(a ^ (b >>> 7)), mix(b ^ Math.imul(a, 0x85ebca6b))]
}

function mix(bits: number): number {
  const once = Math.imul(bits ^ (bits >>> 16), 0x7feb352d)
  const twice = Math.imul(once ^ (once >>> 15), 0x846ca68b)
  return twice ^ (twice >>> 16)
}
