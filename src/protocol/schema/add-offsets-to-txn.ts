import { defineApi, errorCode, int16, int32, int64exact, string } from '../notation.ts'

// Adds a group's offsets partition to a transaction.
export const addOffsetsToTxn = defineApi({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: '0-4',
  flexible: '3+',
  request: {
    transactionalId: { type: string, since: 0 },
    producerId: { type: int64exact, since: 0 },
    producerEpoch: { type: int16, since: 0 },
    groupId: { type: string, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
  },
})
