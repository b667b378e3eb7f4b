import { promisify } from 'node:util'
import { MillraceError } from '../base/error.ts'
import { Codec } from './batch-header.ts'

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
        const { decompressFrame } = await import('lz4-napi')
        return bounded(await decompressFrame(bytes))
      }
      case Codec.zstd: {
        const { Zstd } = await import('@hpcc-js/wasm-zstd')
        return bounded((await Zstd.load()).decompress(bytes))
      }
    }
  } catch (cause) {
    throw new MillraceError('CORRUPT_COMPRESSION', `A batch could not be decompressed (codec ${codec}).`, { cause })
  }
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

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.length > maxDecompressedBytes) throw new RangeError('a batch unfolds to too many bytes')
  return bytes
}
