import { ErrorCode, type ResponseInput } from '../../../protocol/index.ts'
import type { consumerGroupDescribe } from '../../../protocol/schema/consumer-group-describe.ts'
import type { TopicPartitionsById } from '../assignor/assignment.ts'
import type { GroupContext } from '../group.ts'
import { ConsumerGroup } from './consumer-group.ts'
import { union } from './reconciliation.ts'
import { preferredAssignor } from './target-assignment.ts'

export type DescribedConsumerGroup = ResponseInput<typeof consumerGroupDescribe>['groups'][number]
type DescribedMember = DescribedConsumerGroup['members'][number]
type DescribedAssignment = DescribedMember['assignment']

const classicMemberType = 0
const consumerMemberType = 1

/**
 * An entry of ConsumerGroupDescribe's response; GROUP_ID_NOT_FOUND in it for what is no KIP-848 group. What a member
 * has not given up yet is shown as its own.
 */
export function describeConsumerGroup(context: GroupContext, groupId: string): DescribedConsumerGroup {
  const group = context.groups.get(groupId)
  if (!(group instanceof ConsumerGroup)) {
    return {
      errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
      errorMessage: group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`,
      groupId,
      groupState: '',
      groupEpoch: 0,
      assignmentEpoch: 0,
      assignorName: '',
      members: [],
    }
  }
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: group.stateName,
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: preferredAssignor(group, context.settings),
    members: Array.from(
      group.members.values(),
      (member): DescribedMember => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        rackId: member.rackId,
        memberEpoch: member.memberEpoch,
        clientId: member.clientId,
        clientHost: member.clientHost,
        subscribedTopicNames: [...member.subscribedTopicNames].sort(),
        subscribedTopicRegex: member.subscribedTopicRegex,
        assignment: describeAssignment(context, union(member.assigned, member.pendingRevocation)),
        targetAssignment: describeAssignment(context, group.targetOf(member.memberId)),
        memberType: member.classic === null ? consumerMemberType : classicMemberType,
      }),
    ),
  }
}

/** Topics that are gone have no name to show. */
function describeAssignment({ topics }: GroupContext, assignment: TopicPartitionsById): DescribedAssignment {
  const topicPartitions = []
  for (const [topicId, partitions] of assignment) {
    const topicName = topics.topicById(topicId)?.name
    if (topicName === undefined) continue
    topicPartitions.push({ topicId, topicName, partitions: [...partitions].sort((a, b) => a - b) })
  }
  return { topicPartitions }
}
