import { boolean, defineApi, errorCode, int16, int32, int64exact, nullable, string } from '../notation.ts'

// Gives a producer its id and epoch; for a transactional id it fences the previous producer.
export const initProducerId = defineApi({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  latestVersionUnstable: true,
  request: {
    transactionalId: { type: nullable(string), since: 0 },
    transactionTimeoutMs: { type: int32, since: 0 },
    producerId: { type: int64exact, since: 3, ifAbsent: -1n },
    producerEpoch: { type: int16, since: 3, ifAbsent: -1 },
    enable2Pc: { type: boolean, since: 6 },
    keepPreparedTxn: { type: boolean, since: 6 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    producerId: { type: int64exact, since: 0, ifAbsent: -1n },
    producerEpoch: { type: int16, since: 0 },
    ongoingTxnProducerId: { type: int64exact, since: 6, ifAbsent: -1n },
    ongoingTxnProducerEpoch: { type: int16, since: 6, ifAbsent: -1 },
  },
})
