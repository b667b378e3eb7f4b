import { type AppendFailure, appendFailure, noRecordErrors, type RecordError } from '../log/append-failure.ts'
import { ErrorCode, errorMessage } from '../protocol/index.ts'
import type { LossWaiter } from '../replication/partition.ts'
import { PendingCommit } from './commit-wait.ts'

/** What became of one partition's records: its part of a Produce response, field by field, once nothing is waited for. */
export class PartitionAnswer extends PendingCommit implements LossWaiter {
  readonly index: number
  errorCode: ErrorCode = ErrorCode.NONE
  baseOffset = -1
  logAppendTimeMs = -1
  logStartOffset = -1
  recordErrors: readonly RecordError[] = noRecordErrors
  errorMessage: string | null = null
  currentLeader: { leaderId: number; leaderEpoch: number } | undefined = undefined

  constructor(index: number) {
    super()
    this.index = index
  }

  refuse({ code, message, recordErrors }: AppendFailure): this {
    this.errorCode = code
    this.errorMessage = message
    this.recordErrors = recordErrors
    this.baseOffset = -1
    this.logAppendTimeMs = -1
    return this
  }

  /** Where the rest of its request takes longer than the turn, it is lost before anybody waits: and for what would they? */
  onLost(failure: AppendFailure): void {
    this.partition = undefined
    this.refuse(failure)
  }

  protected override commitFailed(code: ErrorCode): void {
    this.refuse(failureAs(code))
  }
}

/** A failure that needs no more words than its code. */
export const failureAs = (code: ErrorCode): AppendFailure => appendFailure(code, errorMessage(code))
