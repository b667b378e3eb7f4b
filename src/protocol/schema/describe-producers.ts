import { array, defineApi, errorCode, int32, int64, int64exact, nullable, string, struct } from '../notation.ts'

// Describes the producers that a partition remembers, with their open transactions.
export const describeProducers = defineApi({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitionIndexes: { type: array(int32), since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
                activeProducers: {
                  type: array(
                    struct({
                      producerId: { type: int64exact, since: 0 },
                      producerEpoch: { type: int32, since: 0 },
                      lastSequence: { type: int32, since: 0, ifAbsent: -1 },
                      lastTimestamp: { type: int64, since: 0, ifAbsent: -1 },
                      coordinatorEpoch: { type: int32, since: 0 },
                      currentTxnStartOffset: { type: int64, since: 0, ifAbsent: -1 },
                    }),
                  ),
                  since: 0,
                },
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
