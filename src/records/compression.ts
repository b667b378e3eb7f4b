import { promisify } from 'node:util'
import { MillraceError } from '../base/error.ts'
import { Codec } from './batch-header.ts'
import { lz4UnfoldedMax, zstdUnfoldedMax } from './unfolded-size.ts'

/** What one batch may unfold to: beyond it a batch is a bomb, not data. */
export const maxDecompressedBytes = 256 << 20

/**
 * Unfolds the records section of a compressed batch. The libraries load on first use: the broker's produce and fetch
 * roads never come here. Rejects with `CORRUPT_COMPRESSION` when the bytes are not what the codec says or unfold to more
 * than `maxDecompressedBytes`.
 */
export async function decompress(codec: Codec, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    switch (codec) {
      case Codec.none:
        return bytes
      case Codec.gzip: {
        const { gunzip } = await import('node:zlib')
        return await promisify(gunzip)(bytes, { maxOutputLength: maxDecompressedBytes })
      }
      case Codec.snappy:
        return await unfoldSnappy(bytes)
      case Codec.lz4: {
        if (lz4UnfoldedMax(bytes) > maxDecompressedBytes) throw new RangeError('an lz4 frame is too large')
        const { decompressFrame } = await import('lz4-napi')
        return await decompressFrame(bytes)
      }
      case Codec.zstd:
        return await unfoldZstd(bytes)
    }
  } catch (cause) {
    throw new MillraceError('CORRUPT_COMPRESSION', `A batch could not be decompressed (codec ${codec}).`, { cause })
  }
}

// The library makes room for the content size that the first frame tells, and where there is none, or the frame is to be
// skipped, for 20 times what it is given, at least 1 MB. So a frame of the right length to be skipped, put in front,
// makes room for all that follows.
const zstdRoomPerByte = 20
const skippableHeaderBytes = 8

async function unfoldZstd(bytes: Uint8Array): Promise<Uint8Array> {
  const { frames, unfoldedMax, sized } = zstdUnfoldedMax(bytes)
  if (sized && unfoldedMax > maxDecompressedBytes) throw new RangeError('a zstd frame is too large')
  const { Zstd } = await import('@hpcc-js/wasm-zstd')
  const zstd = await Zstd.load()
  if (frames === 1 && sized) return zstd.decompress(bytes)
  const room = Math.min(unfoldedMax, maxDecompressedBytes)
  const padding = Math.max(0, Math.ceil(room / zstdRoomPerByte) - bytes.length)
  const padded = new Uint8Array(skippableHeaderBytes + padding + bytes.length)
  const view = new DataView(padded.buffer)
  view.setUint32(0, 0x184d2a50, true)
  view.setUint32(4, padding, true)
  padded.set(bytes, skippableHeaderBytes + padding)
  return zstd.decompress(padded)
}

// Java's snappy streams: "\x82SNAPPY\0", two int32 versions, then blocks of int32 length and raw snappy. Other clients
// send one raw block.
const xerialMagic = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const xerialHeaderBytes = 16

async function unfoldSnappy(bytes: Uint8Array): Promise<Uint8Array> {
  const { uncompress } = await import('snappy')
  const raw = async (block: Uint8Array) => {
    if (snappyLength(block) > maxDecompressedBytes) throw new RangeError('a snappy block is too large')
    return (await uncompress(Buffer.from(block.buffer, block.byteOffset, block.byteLength))) as Buffer
  }
  if (!xerialMagic.every((byte, i) => bytes[i] === byte)) return await raw(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks: Buffer[] = []
  let total = 0
  for (let at = xerialHeaderBytes; at < bytes.length; ) {
    const length = view.getInt32(at)
    if (length < 0 || at + 4 + length > bytes.length) throw new RangeError('a snappy block reaches outside its batch')
    const block = await raw(bytes.subarray(at + 4, at + 4 + length))
    total += block.length
    if (total > maxDecompressedBytes) throw new RangeError('a snappy stream is too large')
    blocks.push(block)
    at += 4 + length
  }
  return Buffer.concat(blocks, total)
}

/** The unfolded length that a raw snappy block declares in its first bytes. */
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
