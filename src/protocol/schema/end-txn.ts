import { boolean, defineApi, errorCode, int16, int32, int64exact, string } from '../notation.ts'

// Commits or aborts a transaction.
export const endTxn = defineApi({
  key: 26,
  name: 'EndTxn',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactionalId: { type: string, since: 0 },
    producerId: { type: int64exact, since: 0 },
    producerEpoch: { type: int16, since: 0 },
    committed: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    producerId: { type: int64exact, since: 5, ifAbsent: -1n, ignorable: true },
    producerEpoch: { type: int16, since: 5, ifAbsent: -1, ignorable: true },
  },
})
