import { array, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

const topicPartitions = struct({
  topicId: { type: uuid, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

// The one request by which a consumer joins, keeps up with and leaves a share group.
export const shareGroupHeartbeat = defineApi({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: '1',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
    memberEpoch: { type: int32, since: 0 },
    rackId: { type: nullable(string), since: 0, ifAbsent: null },
    subscribedTopicNames: { type: nullable(array(string)), since: 0, ifAbsent: null },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    memberId: { type: nullable(string), since: 0, ifAbsent: null },
    memberEpoch: { type: int32, since: 0 },
    heartbeatIntervalMs: { type: int32, since: 0 },
    assignment: {
      type: nullable(
        struct({
          topicPartitions: { type: array(topicPartitions), since: 0 },
        }),
      ),
      since: 0,
      ifAbsent: null,
    },
  },
})
