import { allApis } from '../../../src/protocol/all-apis.ts'
import {
  consumerOffsetsRecords,
  shareStateRecords,
  transactionStateRecords,
} from '../../../src/protocol/all-records.ts'
import type { MessageSchema, RecordSchema } from '../../../src/protocol/notation.ts'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/schema/consumer-protocol.ts'
import { abortedTxn, controlRecordTypeSchema, endTxnMarker } from '../../../src/protocol/schema/control-record.ts'

export const allRecords: readonly RecordSchema[] = [
  ...consumerOffsetsRecords,
  ...transactionStateRecords,
  ...shareStateRecords,
]

export const freeMessages: readonly MessageSchema[] = [
  consumerProtocolSubscription,
  consumerProtocolAssignment,
  controlRecordTypeSchema,
  endTxnMarker,
  abortedTxn,
]

/** Every message of every kind, once. */
export const allSchemas: readonly MessageSchema[] = [
  ...allApis.flatMap(api => [api.request, api.response]),
  ...allRecords.flatMap(record => [record.key, record.value]),
  ...freeMessages,
]
