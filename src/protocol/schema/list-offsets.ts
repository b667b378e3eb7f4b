import { array, defineApi, errorCode, int8, int32, int64, int64clamped, string, struct } from '../notation.ts'

// Finds offsets by timestamp, or by the special timestamps for earliest, latest and so on.
export const listOffsets = defineApi({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: { type: int32, since: 0 },
    isolationLevel: { type: int8, since: 2 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                currentLeaderEpoch: { type: int32, since: 4, ifAbsent: -1, ignorable: true },
                timestamp: { type: int64clamped, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    timeoutMs: { type: int32, since: 10, ignorable: true },
  },
  response: {
    throttleTimeMs: { type: int32, since: 2, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                timestamp: { type: int64, since: 1, ifAbsent: -1 },
                offset: { type: int64, since: 1, ifAbsent: -1 },
                leaderEpoch: { type: int32, since: 4, ifAbsent: -1 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
})
