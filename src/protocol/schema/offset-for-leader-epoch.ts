import { array, defineApi, errorCode, int32, int64, string, struct } from '../notation.ts'

// Tells where a leader epoch ended in the log, for detecting divergence.
export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '2-4',
  flexible: '4+',
  request: {
    replicaId: { type: int32, since: 3, ifAbsent: -2, ignorable: true },
    topics: {
      type: array(
        struct({
          topic: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partition: { type: int32, since: 0 },
                currentLeaderEpoch: { type: int32, since: 2, ifAbsent: -1, ignorable: true },
                leaderEpoch: { type: int32, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 2, ignorable: true },
    topics: {
      type: array(
        struct({
          topic: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                errorCode: { type: errorCode, since: 0 },
                partition: { type: int32, since: 0 },
                leaderEpoch: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
                endOffset: { type: int64, since: 0, ifAbsent: -1 },
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
