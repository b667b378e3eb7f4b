/** Zigzag varints of the record format: at most 5 bytes for 32 bits, 10 for 64 (of which ±2^53 are used here). */

export function varintBytes(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let bytes = 1
  while (rest > 0x7f) {
    rest >>>= 7
    bytes++
  }
  return bytes
}

export function writeVarint(into: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  while (rest > 0x7f) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at++] = rest
  return at
}

export function readVarint(bytes: Uint8Array, cursor: { at: number }): number {
  let raw = 0
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[cursor.at++]
    if (byte === undefined) throw new RangeError('a varint reaches outside its bytes')
    raw |= (byte & 0x7f) << shift
    if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
  }
  throw new RangeError('a varint has more than 5 bytes')
}

const zigzag = (value: number): bigint => BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))

export function varlongBytes(value: number): number {
  let rest = zigzag(value)
  let bytes = 1
  while (rest > 0x7fn) {
    rest >>= 7n
    bytes++
  }
  return bytes
}

export function writeVarlong(into: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = zigzag(value)
  while (rest > 0x7fn) {
    into[at++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  into[at++] = Number(rest)
  return at
}

export function readVarlong(bytes: Uint8Array, cursor: { at: number }): number {
  let raw = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = bytes[cursor.at++]
    if (byte === undefined) throw new RangeError('a varint reaches outside its bytes')
    raw |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return Number(BigInt.asIntN(64, (raw >> 1n) ^ -(raw & 1n)))
  }
  throw new RangeError('a varint has more than 10 bytes')
}
