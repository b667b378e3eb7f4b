import { array, boolean, defineApi, errorCode, int8, int16, int32, int64exact, string, struct } from '../notation.ts'

// Coordinator to leader: writes the markers that end transactions in their partitions.
export const writeTxnMarkers = defineApi({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: '1-2',
  flexible: '1+',
  request: {
    markers: {
      type: array(
        struct({
          producerId: { type: int64exact, since: 0 },
          producerEpoch: { type: int16, since: 0 },
          transactionResult: { type: boolean, since: 0 },
          topics: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                partitionIndexes: { type: array(int32), since: 0 },
              }),
            ),
            since: 0,
          },
          coordinatorEpoch: { type: int32, since: 0 },
          transactionVersion: { type: int8, since: 2, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
  response: {
    markers: {
      type: array(
        struct({
          producerId: { type: int64exact, since: 0 },
          topics: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                partitions: {
                  type: array(
                    struct({
                      partitionIndex: { type: int32, since: 0 },
                      errorCode: { type: errorCode, since: 0 },
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
