/** A position within the records of a batch, for who decodes millions of them: nothing is made per field. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
}

/** A zigzag varint; most are one byte. */
export function varintAt(cursor: Cursor): number {
  const { bytes, end } = cursor
  if (cursor.at >= end) throw new RangeError('a varint reaches outside its batch')
  const first = bytes[cursor.at++]!
  if (first < 0x80) return (first >>> 1) ^ -(first & 1)
  let raw = first & 0x7f
  for (let shift = 7; shift < 35 && cursor.at < end; shift += 7) {
    const byte = bytes[cursor.at++]!
    raw |= (byte & 0x7f) << shift
    if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
  }
  throw new RangeError('a varint reaches outside its batch, or has more than 5 bytes')
}

/** Passes over a varint of up to 10 bytes. */
export function skipVarlong(cursor: Cursor): void {
  const { bytes } = cursor
  const end = Math.min(cursor.end, cursor.at + 10)
  while (cursor.at < end) if (bytes[cursor.at++]! < 0x80) return
  throw new RangeError('a varint reaches outside its batch, or has more than 10 bytes')
}
