import { ErrorCode, errorName } from '../../protocol/index.ts'

/** Why a coordinator does not answer; the code is what the client is told. */
export class CoordinatorError extends Error {
  override readonly name = 'CoordinatorError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string = errorName(code)) {
    super(message)
    this.code = code
  }
}

/**
 * What a client of the coordinator is told when its log is refused something, as Kafka has it: each of these makes the
 * client ask again, here or after it has looked for the coordinator.
 */
export function codeOfLogFailure(code: ErrorCode): ErrorCode {
  switch (code) {
    case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode.LEADER_NOT_AVAILABLE:
    case ErrorCode.NOT_ENOUGH_REPLICAS:
    case ErrorCode.REQUEST_TIMED_OUT:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
      return ErrorCode.NOT_COORDINATOR
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
      return ErrorCode.UNKNOWN_SERVER_ERROR
    default:
      return code
  }
}
