import { array, defineApi, errorCode, int32, int64clamped, int64exact, nullable, string, struct } from '../notation.ts'

// Lists the transactions that a broker coordinates.
export const listTransactions = defineApi({
  key: 66,
  name: 'ListTransactions',
  versions: '0-2',
  flexible: '0+',
  request: {
    stateFilters: { type: array(string), since: 0 },
    producerIdFilters: { type: array(int64exact), since: 0 },
    durationFilter: { type: int64clamped, since: 1, ifAbsent: -1 },
    transactionalIdPattern: { type: nullable(string), since: 2, ifAbsent: null },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    unknownStateFilters: { type: array(string), since: 0 },
    transactionStates: {
      type: array(
        struct({
          transactionalId: { type: string, since: 0 },
          producerId: { type: int64exact, since: 0 },
          transactionState: { type: string, since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
