import { createRequire } from 'node:module'
import { MillraceError } from '../base/error.ts'
import { Codec } from './batch-header.ts'
import { gzipUnfoldedMax, lz4UnfoldedMax, snappyBlocks, snappyUnfoldedMax, zstdUnfoldedMax } from './unfolded-size.ts'
import { unfoldZstd, unfoldZstdNow } from './zstd.ts'
import { unfoldZstdHere } from './zstd-here.ts'

/** What one batch may unfold to: beyond it a batch is a bomb, not data. */
export const maxDecompressedBytes = 128 << 20

/** The libraries that are loaded: they come on first use, since most brokers never see most codecs. */
const loaded: {
  gzip?: typeof import('node:zlib')
  snappy?: typeof import('snappy')
  lz4?: typeof import('lz4-napi')
} = {}

/**
 * How many bytes the records section of a compressed batch can unfold to at most, from what it says of itself: known
 * before any memory is taken, and what unfolding it takes. Throws like `decompress`.
 */
export function unfoldedBound(codec: Codec, bytes: Uint8Array): number {
  let bound: number
  try {
    bound = boundOf(codec, bytes)
  } catch (cause) {
    throw corrupt(codec, cause)
  }
  if (bound > maxDecompressedBytes) throw tooLarge(codec)
  return bound
}

function boundOf(codec: Codec, bytes: Uint8Array): number {
  switch (codec) {
    case Codec.none:
      return bytes.length
    case Codec.gzip:
      return gzipUnfoldedMax(bytes)
    case Codec.snappy:
      return snappyUnfoldedMax(bytes)
    case Codec.lz4:
      return lz4UnfoldedMax(bytes)
    case Codec.zstd:
      return zstdUnfoldedMax(bytes).unfoldedMax
  }
}

/**
 * Unfolds the records section of a compressed batch on another thread; `bytes` must stay as they are until then. Rejects
 * with `CORRUPT_COMPRESSION` when they are not what the codec says, and with `COMPRESSION_TOO_LARGE` when they unfold to
 * more than `maxDecompressedBytes`.
 */
export async function decompress(codec: Codec, bytes: Uint8Array): Promise<Uint8Array> {
  const room = unfoldedBound(codec, bytes)
  try {
    switch (codec) {
      case Codec.none:
        return bytes
      case Codec.gzip: {
        loaded.gzip ??= await import('node:zlib')
        const { promisify } = await import('node:util') // an app's log needs no more of this module
        return await promisify(loaded.gzip.gunzip)(bytes, { maxOutputLength: Math.max(room, 1) })
      }
      case Codec.snappy:
        loaded.snappy ??= await import('snappy')
        return await unfoldSnappy(bytes, loaded.snappy.uncompress)
      case Codec.lz4:
        loaded.lz4 ??= await import('lz4-napi')
        return await loaded.lz4.decompressFrame(bytes)
      case Codec.zstd:
        return await unfoldZstd(bytes, zstdUnfoldedMax(bytes).frames, room)
    }
  } catch (cause) {
    throw corrupt(codec, cause)
  }
}

/**
 * The same on this thread, for what is unfolded sooner than another thread would begin. Undefined where the library is
 * not loaded yet, or can only work on another thread.
 */
export function decompressNow(codec: Codec, bytes: Uint8Array): Uint8Array | undefined {
  const room = unfoldedBound(codec, bytes)
  try {
    switch (codec) {
      case Codec.none:
        return bytes
      case Codec.gzip:
        return loaded.gzip?.gunzipSync(bytes, { maxOutputLength: Math.max(room, 1) })
      case Codec.snappy:
        return loaded.snappy && unfoldSnappyNow(bytes, loaded.snappy.uncompressSync)
      case Codec.lz4:
        return loaded.lz4?.decompressFrameSync(asBuffer(bytes))
      case Codec.zstd:
        return unfoldZstdNow(bytes, zstdUnfoldedMax(bytes).frames, room)
    }
  } catch (cause) {
    throw corrupt(codec, cause)
  }
}

/** As `decompress`, on this thread, whatever it takes: loads what is not loaded, and waits where it has to. */
export function decompressHere(codec: Codec, bytes: Uint8Array): Uint8Array {
  const require = createRequire(import.meta.url)
  if (codec === Codec.gzip) loaded.gzip ??= require('node:zlib') as typeof import('node:zlib')
  if (codec === Codec.snappy) loaded.snappy ??= require('snappy') as typeof import('snappy')
  if (codec === Codec.lz4) loaded.lz4 ??= require('lz4-napi') as typeof import('lz4-napi')
  const unfolded = decompressNow(codec, bytes)
  if (unfolded !== undefined) return unfolded
  const room = unfoldedBound(codec, bytes)
  try {
    return unfoldZstdHere(bytes, zstdUnfoldedMax(bytes).frames, room)
  } catch (cause) {
    throw corrupt(codec, cause)
  }
}

const corrupt = (codec: Codec, cause: unknown) =>
  new MillraceError('CORRUPT_COMPRESSION', `A batch could not be decompressed (codec ${codec}).`, { cause })
const tooLarge = (codec: Codec) =>
  new MillraceError(
    'COMPRESSION_TOO_LARGE',
    `A batch may unfold to more than ${maxDecompressedBytes} bytes (codec ${codec}).`,
  )

type Unfolded = string | Buffer
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

async function unfoldSnappy(bytes: Uint8Array, uncompress: (block: Buffer) => Promise<Unfolded>): Promise<Uint8Array> {
  const blocks = [...snappyBlocks(bytes)]
  if (blocks.length === 1) return (await uncompress(asBuffer(blocks[0]!))) as Buffer
  const unfolded: Buffer[] = []
  for (const block of blocks) unfolded.push((await uncompress(asBuffer(block))) as Buffer)
  return Buffer.concat(unfolded)
}

function unfoldSnappyNow(bytes: Uint8Array, uncompress: (block: Buffer) => Unfolded): Uint8Array {
  const unfolded = [...snappyBlocks(bytes)].map(block => uncompress(asBuffer(block)) as Buffer)
  return unfolded.length === 1 ? unfolded[0]! : Buffer.concat(unfolded)
}
