import { array, boolean, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

const topicPartitions = struct({
  topicId: { type: uuid, since: 0 },
  topicName: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

const assignment = struct({
  topicPartitions: { type: array(topicPartitions), since: 0 },
})

// Describes share groups.
export const shareGroupDescribe = defineApi({
  key: 77,
  name: 'ShareGroupDescribe',
  versions: '1',
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
                rackId: { type: nullable(string), since: 0, ifAbsent: null },
                memberEpoch: { type: int32, since: 0 },
                clientId: { type: string, since: 0 },
                clientHost: { type: string, since: 0 },
                subscribedTopicNames: { type: array(string), since: 0 },
                assignment: { type: assignment, since: 0 },
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
