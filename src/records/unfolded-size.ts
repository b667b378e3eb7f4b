/**
 * How many bytes a compressed frame can unfold to at most, from its block headers alone: known before any memory is
 * taken. Both throw a RangeError where the bytes are no such frames. Numbers are little-endian.
 */

const skippableFrame = { magic: 0x184d2a50, mask: 0xfffffff0 }
const zstdMagic = 0xfd2fb528
const zstdBlockMax = 128 << 10

/**
 * A run of zstd frames (RFC 8878): magic, descriptor, window, dictionary id, content size, then blocks of a 3-byte header
 * (last 1 bit, type 2 bits, size 21 bits), then a checksum. Streaming writers leave the content size out.
 */
export function zstdUnfoldedMax(bytes: Uint8Array): { frames: number; unfoldedMax: number; sized: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  let frames = 0
  let unfoldedMax = 0
  let sized = true
  while (at < bytes.length) {
    frames++
    const magic = view.getUint32(at, true)
    if ((magic & skippableFrame.mask) >>> 0 === skippableFrame.magic) {
      at += 8 + view.getUint32(at + 4, true)
      continue
    }
    if (magic !== zstdMagic) throw new RangeError('no zstd frame')
    const descriptor = view.getUint8(at + 4)
    const singleSegment = (descriptor & 0x20) !== 0
    at += 5
    let blockMax = zstdBlockMax
    if (!singleSegment) {
      const window = view.getUint8(at++)
      const base = 2 ** (10 + (window >> 3))
      blockMax = Math.min(blockMax, base + (base / 8) * (window & 7))
    }
    at += [0, 1, 2, 4][descriptor & 3]!
    const contentSize = zstdContentSize(view, at, descriptor >> 6, singleSegment)
    at += contentSize.bytes
    const blocks = zstdBlocks(view, at, blockMax)
    at = blocks.end + ((descriptor & 4) === 0 ? 0 : 4)
    sized &&= contentSize.value !== undefined
    unfoldedMax += contentSize.value ?? blocks.unfoldedMax
  }
  if (at !== bytes.length) throw new RangeError('a zstd frame reaches outside its bytes')
  return { frames, unfoldedMax, sized }
}

function zstdContentSize(
  view: DataView,
  at: number,
  flag: number,
  singleSegment: boolean,
): { bytes: number; value: number | undefined } {
  switch (flag) {
    case 0:
      return singleSegment ? { bytes: 1, value: view.getUint8(at) } : { bytes: 0, value: undefined }
    case 1:
      return { bytes: 2, value: view.getUint16(at, true) + 256 }
    case 2:
      return { bytes: 4, value: view.getUint32(at, true) }
    default:
      return { bytes: 8, value: Number(view.getBigUint64(at, true)) }
  }
}

function zstdBlocks(view: DataView, start: number, blockMax: number): { end: number; unfoldedMax: number } {
  const type = { raw: 0, repeated: 1, compressed: 2 }
  let at = start
  let unfoldedMax = 0
  for (let last = false; !last; ) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const kind = (header >> 1) & 3
    const size = header >> 3
    if (kind > type.compressed) throw new RangeError('a zstd block of no known type')
    unfoldedMax += kind === type.compressed ? blockMax : size
    at += 3 + (kind === type.repeated ? 1 : size)
    last = (header & 1) !== 0
  }
  return { end: at, unfoldedMax }
}

const lz4Magic = 0x184d2204
/** A block of this codec unfolds to no more than this for each of its bytes. */
const lz4Ratio = 255

/**
 * One lz4 frame: magic, flags, block size, content size, dictionary id, header checksum, then blocks of a 4-byte size (0
 * ends them, the top bit says uncompressed), each with a checksum where the flags say so.
 */
export function lz4UnfoldedMax(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== lz4Magic) throw new RangeError('no lz4 frame')
  const flags = view.getUint8(4)
  const blockMax = 1 << (8 + 2 * ((view.getUint8(5) >> 4) & 7))
  const checksumBytes = (flags & 0x10) === 0 ? 0 : 4
  let unfoldedMax = 0
  for (let at = 7 + ((flags & 8) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4); ; ) {
    const header = view.getUint32(at, true)
    if (header === 0) return unfoldedMax
    const size = header & 0x7fffffff
    unfoldedMax += Math.min(blockMax, size * lz4Ratio)
    at += 4 + size + checksumBytes
  }
}

/** Deflate gives no more than this for each of its bytes. */
const deflateRatio = 1032

/**
 * One gzip member: its last four bytes are its length, modulo 2^32, which a decoder compares with what came out. Members
 * one behind the other, which no client of Kafka's writes, are held to the length of the last.
 */
export function gzipUnfoldedMax(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 18 || view.getUint16(0) !== 0x1f8b) throw new RangeError('no gzip member')
  const length = view.getUint32(bytes.length - 4, true)
  if (length > bytes.length * deflateRatio) throw new RangeError('a gzip member claims more than it can hold')
  return length
}

// Java's snappy streams: "\x82SNAPPY\0", two int32 versions, then blocks of int32 length and raw snappy. Other clients
// send one raw block.
const xerialMagic = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const xerialHeaderBytes = 16

/** The raw blocks that bytes compressed by snappy are made of. */
export function* snappyBlocks(bytes: Uint8Array): Generator<Uint8Array> {
  if (!xerialMagic.every((byte, i) => bytes[i] === byte)) {
    yield bytes
    return
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = xerialHeaderBytes; at < bytes.length; ) {
    const length = view.getInt32(at)
    if (length < 0 || at + 4 + length > bytes.length) throw new RangeError('a snappy block reaches outside its batch')
    yield bytes.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}

/** The unfolded length that each raw block declares in its first bytes. */
export function snappyUnfoldedMax(bytes: Uint8Array): number {
  let total = 0
  for (const block of snappyBlocks(bytes)) total += snappyLength(block)
  return total
}

function snappyLength(block: Uint8Array): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = block[i]
    if (byte === undefined) throw new RangeError('a snappy block has no length')
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return length
  }
  throw new RangeError('a snappy block declares no sane length')
}
