// The contents of control records, which mark where transactions end, and of the aborted-transaction index.

import { defineMessage, int16, int32, int64, int64exact } from '../notation.ts'

export const controlRecordTypeSchema = defineMessage({
  name: 'ControlRecordTypeSchema',
  versions: '0',
  flexible: 'none',
  fields: {
    type: { type: int16, since: 0 },
  },
})

export const endTxnMarker = defineMessage({
  name: 'EndTxnMarker',
  versions: '0',
  flexible: 'none',
  fields: {
    coordinatorEpoch: { type: int32, since: 0 },
  },
})

export const abortedTxn = defineMessage({
  name: 'AbortedTxn',
  versions: '0',
  flexible: 'none',
  fields: {
    producerId: { type: int64exact, since: 0 },
    firstOffset: { type: int64, since: 0 },
    lastOffset: { type: int64, since: 0 },
    lastStableOffset: { type: int64, since: 0 },
  },
})
