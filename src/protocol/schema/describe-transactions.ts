import { array, defineApi, errorCode, int16, int32, int64, int64exact, string, struct } from '../notation.ts'

// Describes transactions by transactional id.
export const describeTransactions = defineApi({
  key: 65,
  name: 'DescribeTransactions',
  versions: '0',
  flexible: '0+',
  request: {
    transactionalIds: { type: array(string), since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    transactionStates: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          transactionalId: { type: string, since: 0 },
          transactionState: { type: string, since: 0 },
          transactionTimeoutMs: { type: int32, since: 0 },
          transactionStartTimeMs: { type: int64, since: 0 },
          producerId: { type: int64exact, since: 0 },
          producerEpoch: { type: int16, since: 0 },
          topics: {
            type: array(
              struct({
                topic: { type: string, since: 0 },
                partitions: { type: array(int32), since: 0 },
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
