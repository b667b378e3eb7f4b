import type { Uuid } from '../../../protocol/index.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import type { TopicPartitionsByName } from '../consumer-protocol.ts'
import type { TopicsView } from '../topics-view.ts'

/** Classic consumers name topics, KIP-848 groups go by their ids. What is no longer there, or never was, is left out. */
export function partitionsById(byName: readonly TopicPartitionsByName[], topics: TopicsView): TopicPartitionsById {
  const byId = new Map<Uuid, Set<number>>()
  for (const { topic: name, partitions } of byName) {
    const topic = topics.topic(name)
    if (topic === undefined) continue
    for (const partition of partitions) {
      if (partition < 0 || partition >= topic.partitions) continue
      const known = byId.get(topic.id)
      if (known === undefined) byId.set(topic.id, new Set([partition]))
      else known.add(partition)
    }
  }
  return byId
}

export function partitionsByName(byId: TopicPartitionsById, topics: TopicsView): TopicPartitionsByName[] {
  const byName: TopicPartitionsByName[] = []
  for (const [topicId, partitions] of byId) {
    const name = topics.topicById(topicId)?.name
    if (name !== undefined) byName.push({ topic: name, partitions: [...partitions].sort((a, b) => a - b) })
  }
  return byName
}
