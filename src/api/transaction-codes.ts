import { ErrorCode } from '../protocol/index.ts'

/** PRODUCER_FENCED is told to clients that know it (KIP-588), others know the code that it was before. */
export function fencedAs(code: ErrorCode, known: boolean): ErrorCode {
  return code === ErrorCode.PRODUCER_FENCED && !known ? ErrorCode.INVALID_PRODUCER_EPOCH : code
}
