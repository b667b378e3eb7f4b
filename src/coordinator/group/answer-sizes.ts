import type { ResponseInput } from '../../protocol/index.ts'
import type { consumerGroupDescribe } from '../../protocol/schema/consumer-group-describe.ts'
import type { describeGroups } from '../../protocol/schema/describe-groups.ts'

export type DescribedGroup = ResponseInput<typeof describeGroups>['groups'][number]
export type DescribedConsumerGroup = ResponseInput<typeof consumerGroupDescribe>['groups'][number]

/** About what a description takes in an answer. */
export function bytesOfClassic({ members }: DescribedGroup): number {
  return members.reduce(
    (sum, each) => sum + bytesPerMember + each.memberMetadata.length + each.memberAssignment.length,
    0,
  )
}

export function bytesOfConsumer({ members }: DescribedConsumerGroup): number {
  const ofTopics = (topics: readonly { readonly partitions: readonly number[] }[]): number =>
    topics.reduce((sum, { partitions }) => sum + bytesPerTopic + 4 * partitions.length, 0)
  return members.reduce(
    (sum, { assignment, targetAssignment, subscribedTopicNames }) =>
      sum +
      bytesPerMember +
      ofTopics(assignment.topicPartitions) +
      ofTopics(targetAssignment.topicPartitions) +
      bytesPerTopic * subscribedTopicNames.length,
    0,
  )
}

const bytesPerMember = 200
const bytesPerTopic = 64
