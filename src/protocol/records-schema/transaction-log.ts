import { array, defineRecord, int8, int16, int32, int64, int64exact, nullable, string, struct } from '../notation.ts'

// The state of a transactional id.
export const transactionLogRecord = defineRecord({
  type: 0,
  name: 'TransactionLog',
  key: {
    transactionalId: { type: string, since: 0 },
  },
  versions: '0-1',
  flexible: '1+',
  value: {
    producerId: { type: int64exact, since: 0 },
    previousProducerId: { type: int64exact, since: 1, tag: 0, ifAbsent: -1n },
    nextProducerId: { type: int64exact, since: 1, tag: 1, ifAbsent: -1n },
    producerEpoch: { type: int16, since: 0 },
    nextProducerEpoch: { type: int16, since: 1, tag: 3, ifAbsent: -1 },
    transactionTimeoutMs: { type: int32, since: 0 },
    transactionStatus: { type: int8, since: 0 },
    transactionPartitions: {
      type: nullable(
        array(
          struct({
            topic: { type: string, since: 0 },
            partitionIds: { type: array(int32), since: 0 },
          }),
        ),
      ),
      since: 0,
    },
    transactionLastUpdateTimestampMs: { type: int64, since: 0 },
    transactionStartTimestampMs: { type: int64, since: 0 },
    clientTransactionVersion: { type: int16, since: 1, tag: 2 },
  },
})
