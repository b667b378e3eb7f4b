import { array, boolean, defineApi, errorCode, int8, int32, nullable, string, struct, uuid } from '../notation.ts'

const topicPartitions = struct({
  topicId: { type: uuid, since: 0 },
  topicName: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

const assignment = struct({
  topicPartitions: { type: array(topicPartitions), since: 0 },
})

// Describes KIP-848 consumer groups.
export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupIds: { type: array(string), since: 0 },
    includeAuthorizedOperations: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    groups: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
          groupId: { type: string, since: 0 },
          groupState: { type: string, since: 0 },
          groupEpoch: { type: int32, since: 0 },
          assignmentEpoch: { type: int32, since: 0 },
          assignorName: { type: string, since: 0 },
          members: {
            type: array(
              struct({
                memberId: { type: string, since: 0 },
                instanceId: { type: nullable(string), since: 0, ifAbsent: null },
                rackId: { type: nullable(string), since: 0, ifAbsent: null },
                memberEpoch: { type: int32, since: 0 },
                clientId: { type: string, since: 0 },
                clientHost: { type: string, since: 0 },
                subscribedTopicNames: { type: array(string), since: 0 },
                subscribedTopicRegex: { type: nullable(string), since: 0, ifAbsent: null },
                assignment: { type: assignment, since: 0 },
                targetAssignment: { type: assignment, since: 0 },
                memberType: { type: int8, since: 1, ifAbsent: -1, ignorable: true },
              }),
            ),
            since: 0,
          },
          authorizedOperations: { type: int32, since: 0, ifAbsent: -0x8000_0000 },
        }),
      ),
      since: 0,
    },
  },
})
