import { array, boolean, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

// Describes topics page by page, with eligible leader replicas.
export const describeTopicPartitions = defineApi({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
        }),
      ),
      since: 0,
    },
    responsePartitionLimit: { type: int32, since: 0, ifAbsent: 2000 },
    cursor: {
      type: nullable(
        struct({
          topicName: { type: string, since: 0 },
          partitionIndex: { type: int32, since: 0 },
        }),
      ),
      since: 0,
      ifAbsent: null,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0, ignorable: true },
    topics: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          name: { type: nullable(string), since: 0 },
          topicId: { type: uuid, since: 0, ignorable: true },
          isInternal: { type: boolean, since: 0, ignorable: true },
          partitions: {
            type: array(
              struct({
                errorCode: { type: errorCode, since: 0 },
                partitionIndex: { type: int32, since: 0 },
                leaderId: { type: int32, since: 0 },
                leaderEpoch: { type: int32, since: 0, ifAbsent: -1, ignorable: true },
                replicaNodes: { type: array(int32), since: 0 },
                isrNodes: { type: array(int32), since: 0 },
                eligibleLeaderReplicas: { type: nullable(array(int32)), since: 0, ifAbsent: null },
                lastKnownElr: { type: nullable(array(int32)), since: 0, ifAbsent: null },
                offlineReplicas: { type: array(int32), since: 0, ignorable: true },
              }),
            ),
            since: 0,
          },
          topicAuthorizedOperations: { type: int32, since: 0, ifAbsent: -0x8000_0000 },
        }),
      ),
      since: 0,
    },
    nextCursor: {
      type: nullable(
        struct({
          topicName: { type: string, since: 0 },
          partitionIndex: { type: int32, since: 0 },
        }),
      ),
      since: 0,
      ifAbsent: null,
    },
  },
})
