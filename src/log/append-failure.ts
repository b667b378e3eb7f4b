import { InvariantError } from '../base/assert.ts'
import { type LogSettings, type RecordFault, RecordFaultKind } from '../base/world.ts'
import { StatusCode } from '../native/status.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { MarkerVerdict, ProducerVerdict } from './producer-state.ts'

/** A record that was refused, as its producer is told (KIP-467). */
export interface RecordError {
  /** Of the record within its batch. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

/** Why a batch was not appended, as the client is told. */
export interface AppendFailure {
  readonly code: ErrorCode
  readonly message: string
  /** Empty when the whole batch is at fault. */
  readonly recordErrors: readonly RecordError[]
}

export const noRecordErrors: readonly RecordError[] = []

export function appendFailure(
  code: ErrorCode,
  message: string,
  recordErrors: readonly RecordError[] = noRecordErrors,
): AppendFailure {
  return { code, message, recordErrors }
}

/** Of a batch that its producer's state does not take, in Kafka's codes. */
export function failureOfVerdict({ kind }: ProducerVerdict): AppendFailure {
  switch (kind) {
    case 'stale-epoch': {
      const message = 'A newer instance of this producer has written to the partition, or its transaction was ended.'
      return appendFailure(ErrorCode.INVALID_PRODUCER_EPOCH, message)
    }
    case 'out-of-order': {
      const message = 'The sequence of the batch does not follow the last one of its producer.'
      return appendFailure(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, message)
    }
    case 'not-verified':
      return appendFailure(ErrorCode.INVALID_TXN_STATE, 'The batch is not part of an ongoing transaction.')
    case 'outside-transaction':
      return appendFailure(
        ErrorCode.INVALID_TXN_STATE,
        'The producer has a transaction open that the batch is no part of.',
      )
    default:
      throw new InvariantError(`a batch that is taken is no failure (${kind})`)
  }
}

/** Of a marker that is not written, likewise. */
export function failureOfMarker(verdict: Exclude<MarkerVerdict, 'accept'>): AppendFailure {
  if (verdict === 'stale-epoch') {
    const message = 'The marker is of an earlier epoch than what its producer has written since.'
    return appendFailure(ErrorCode.INVALID_PRODUCER_EPOCH, message)
  }
  const message = 'A later coordinator has ended a transaction of this producer.'
  return appendFailure(ErrorCode.TRANSACTION_COORDINATOR_FENCED, message)
}

/** What native code said of a batch besides its status. */
export interface BatchVerdict {
  /** The record whose structure does not hold, or -1. */
  readonly firstBadRecord: number
  readonly faults: readonly RecordFault[]
  readonly settings: LogSettings
  readonly nowMs: number
}

/** The one table from native verdicts on a batch to Kafka's codes. */
export function failureOfStatus(status: number, verdict: BatchVerdict): AppendFailure {
  switch (status) {
    case StatusCode.batchCorrupt:
      return appendFailure(ErrorCode.CORRUPT_MESSAGE, 'The batch does not match its length or its checksum.')
    case StatusCode.batchInvalid:
      return verdict.faults.length > 0
        ? failureOfRecords(ErrorCode.INVALID_RECORD, verdict)
        : appendFailure(ErrorCode.INVALID_RECORD, malformed(verdict.firstBadRecord))
    case StatusCode.batchTooLarge:
      return appendFailure(
        ErrorCode.MESSAGE_TOO_LARGE,
        `The batch is larger than max.message.bytes of its topic, ${verdict.settings.maxMessageBytes}.`,
      )
    case StatusCode.batchMagic:
      return appendFailure(ErrorCode.INVALID_RECORD, 'Only record batches of magic 2 are accepted.')
    case StatusCode.batchTimestamp:
      return verdict.faults.length > 0
        ? failureOfRecords(ErrorCode.INVALID_TIMESTAMP, verdict)
        : appendFailure(ErrorCode.INVALID_TIMESTAMP, 'Only a broker may mark a batch with LogAppendTime.')
    case StatusCode.batchCompression:
      return appendFailure(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'The compression codec is unknown.')
    case StatusCode.batchLargerThanSegment:
      return appendFailure(
        ErrorCode.RECORD_LIST_TOO_LARGE,
        `The batch is larger than segment.bytes of its topic, ${verdict.settings.segmentBytes}.`,
      )
    case StatusCode.noSpace:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, 'The disk is full: free space or delete topics.')
    case StatusCode.tooManyFiles:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, 'The broker has no file descriptors left.')
    case StatusCode.ioError:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, 'The disk reported an error, and nothing was written.')
    default:
      return appendFailure(ErrorCode.KAFKA_STORAGE_ERROR, `The log could not be written (status ${status}).`)
  }
}

function failureOfRecords(code: ErrorCode, verdict: BatchVerdict): AppendFailure {
  const recordErrors = verdict.faults.map(fault => ({
    batchIndex: fault.index,
    batchIndexErrorMessage: explain(fault, verdict),
  }))
  const { batchIndex, batchIndexErrorMessage } = recordErrors[0]!
  const others = recordErrors.length === 1 ? '' : ` So, or otherwise at fault, are ${recordErrors.length - 1} more.`
  return appendFailure(code, `Record ${batchIndex}: ${batchIndexErrorMessage}${others}`, recordErrors)
}

function explain({ kind, timestamp }: RecordFault, { settings, nowMs }: BatchVerdict): string {
  if (kind === RecordFaultKind.keyMissing) return 'A record of a compacted topic needs a key.'
  const from = nowMs - settings.timestampBeforeMaxMs
  const to = nowMs + settings.timestampAfterMaxMs
  return `Timestamp ${timestamp} is outside of what the topic takes now, ${from} to ${to}.`
}

function malformed(recordIndex: number): string {
  return recordIndex < 0
    ? 'The batch is malformed, or not exactly one batch.'
    : `Record ${recordIndex} of the batch is malformed, or not the one that its place asks for.`
}
