/** Why bytes could not be decoded, or a value could not be encoded. */
export type ProtocolErrorReason =
  | 'truncated' // a fixed-size field, a length or a payload reaches past the end
  | 'invalid-length' // a length that no valid message has
  | 'too-many-elements' // an array count that the remaining bytes cannot hold, or more tagged fields than any message has
  | 'decode-limit' // more elements or text than the reader's user allows
  | 'null-not-allowed'
  | 'invalid-varint'
  | 'invalid-utf8'
  | 'int64-range' // a 64-bit value beyond what a number holds exactly
  | 'trailing-bytes'
  | 'unsupported-version'
  | 'not-in-version' // a value was given for a field that this version does not carry
  | 'value-out-of-range'

/**
 * The one exception of this layer. On decode, `position` is the byte where reading failed, relative to the reader's
 * source; on encode, the writer's position. `field` is the dotted path of the field, empty where there is none.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly reason: ProtocolErrorReason
  readonly position: number
  readonly field: string

  constructor(reason: ProtocolErrorReason, position: number, field = '') {
    super(field === '' ? `${reason} at byte ${position}` : `${reason} at byte ${position}, field ${field}`)
    this.reason = reason
    this.position = position
    this.field = field
  }
}
