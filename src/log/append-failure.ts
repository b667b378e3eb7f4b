import { StatusCode } from '../native/status.ts'
import { ErrorCode } from '../protocol/index.ts'

/** Why a batch was not appended, as the client is told. */
export interface AppendFailure {
  readonly code: ErrorCode
  readonly message: string
  /** Index of the record within its batch, -1 when the whole batch is at fault (KIP-467). */
  readonly recordIndex: number
}

export function appendFailure(code: ErrorCode, message: string, recordIndex = -1): AppendFailure {
  return { code, message, recordIndex }
}

/** The one table from native verdicts on a batch to Kafka's codes. */
export function failureOfStatus(status: number, recordIndex: number): AppendFailure {
  switch (status) {
    case StatusCode.batchCorrupt:
      return appendFailure(ErrorCode.CORRUPT_MESSAGE, 'The batch does not match its length or its checksum.')
    case StatusCode.batchInvalid:
      return appendFailure(ErrorCode.INVALID_RECORD, invalidRecord(recordIndex), recordIndex)
    case StatusCode.batchTooLarge:
      return appendFailure(ErrorCode.MESSAGE_TOO_LARGE, 'The batch is larger than max.message.bytes of its topic.')
    case StatusCode.batchMagic:
      return appendFailure(ErrorCode.INVALID_RECORD, 'Only record batches of magic 2 are accepted.')
    case StatusCode.batchTimestamp:
      return appendFailure(
        ErrorCode.INVALID_TIMESTAMP,
        'A timestamp is outside message.timestamp.before.max.ms and message.timestamp.after.max.ms.',
        recordIndex,
      )
    case StatusCode.batchCompression:
      return appendFailure(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'The compression codec is unknown.')
    case StatusCode.batchLargerThanSegment:
      return appendFailure(ErrorCode.RECORD_LIST_TOO_LARGE, 'The batch is larger than segment.bytes of its topic.')
    case StatusCode.noSpace:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, 'The disk is full: free space or delete topics.')
    default:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, `The log could not be written (status ${status}).`)
  }
}

function invalidRecord(recordIndex: number): string {
  return recordIndex < 0
    ? 'The batch is malformed, or not exactly one batch.'
    : `Record ${recordIndex} of the batch is malformed, or lacks the key that its topic needs.`
}
