import { MillraceError } from '../../base/error.ts'
import { ErrorCode, errorMessage, errorName } from '../../protocol/index.ts'

/** A refusal of the broker's, under the name that Kafka gives it. */
export const kafkaError = (code: number, message?: string | null): MillraceError =>
  new MillraceError(errorName(code), message ?? errorMessage(code))

export function throwUnlessNone(code: number, message?: string | null): void {
  if (code !== ErrorCode.NONE) throw kafkaError(code, message)
}
