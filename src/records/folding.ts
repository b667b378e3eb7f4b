import { MillraceError } from '../base/error.ts'
import { Codec } from './batch-header.ts'
import { unfoldedBound } from './compression.ts'
import { snappyBlocks } from './unfolded-size.ts'

/** Both directions of a codec, on the thread that calls: for who reads and writes batch after batch, and nothing else. */
export interface FoldingCodec {
  /** Throws where the bytes are not what the codec writes, or hold more than a batch may. */
  unfold(records: Uint8Array): Uint8Array
  fold(records: Uint8Array): Uint8Array
}

/** Loads the libraries of a codec. What is folded is what Java's and librdkafka's clients read. */
export async function loadCodec(codec: Codec): Promise<FoldingCodec> {
  const { unfold, fold } = await load(codec)
  return {
    fold,
    unfold(records) {
      const room = unfoldedBound(codec, records)
      if (room === 0) return new Uint8Array()
      try {
        return unfold(records, room)
      } catch (cause) {
        throw corrupt(codec, cause)
      }
    },
  }
}

interface Library {
  unfold(records: Uint8Array, roomBytes: number): Uint8Array
  fold(records: Uint8Array): Uint8Array
}

async function load(codec: Codec): Promise<Library> {
  switch (codec) {
    case Codec.none:
      return { unfold: records => records, fold: records => records }
    case Codec.gzip: {
      const { gunzipSync, gzipSync } = await import('node:zlib')
      return { unfold: (records, room) => gunzipSync(records, { maxOutputLength: room }), fold: gzipSync }
    }
    case Codec.snappy: {
      const { compressSync, uncompressSync } = await import('snappy')
      return {
        unfold: records => joined([...snappyBlocks(records)].map(block => uncompressSync(asBuffer(block)) as Buffer)),
        fold: records => foldSnappy(records, block => compressSync(asBuffer(block))),
      }
    }
    case Codec.lz4: {
      const { compressFrameSync, decompressFrameSync } = await import('lz4-napi')
      return {
        unfold: records => decompressFrameSync(asBuffer(records)),
        fold: records => compressFrameSync(asBuffer(records)),
      }
    }
    case Codec.zstd:
      return await loadZstd()
  }
}

async function loadZstd(): Promise<Library> {
  // Node has it since 22.15 and 23.8, and reads no more than the first of several frames.
  const { zstdCompressSync } = (await import('node:zlib')) as { zstdCompressSync?(bytes: Uint8Array): Uint8Array }
  const fold = zstdCompressSync ?? (await wasmEncoder())
  return { unfold: await wasmDecoder(), fold: records => fold(records) }
}

async function wasmEncoder(): Promise<(records: Uint8Array) => Uint8Array> {
  const { Zstd } = await import('@hpcc-js/wasm-zstd')
  const zstd = await Zstd.load()
  return records => zstd.compress(records)
}

async function wasmDecoder(): Promise<(records: Uint8Array, room: number) => Uint8Array> {
  const { ZSTDDecoder } = await import('zstddec')
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return (records, room) => {
    const unfolded = decoder.decode(records, room)
    if (unfolded.length === 0) throw new Error('a zstd frame is damaged') // It tells an error by giving nothing.
    return unfolded
  }
}

// What Java writes and every client reads: see unfolded-size.ts.
const snappyHeader = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1)
/** Java's reader keeps a buffer as large as the largest block. */
const snappyBlockBytes = 32 << 10

function foldSnappy(records: Uint8Array, compress: (block: Uint8Array) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [snappyHeader]
  for (let at = 0; at < records.length; at += snappyBlockBytes) {
    const block = compress(records.subarray(at, at + snappyBlockBytes))
    const length = new Uint8Array(4)
    new DataView(length.buffer).setInt32(0, block.length)
    parts.push(length, block)
  }
  return joined(parts)
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => (parts.length === 1 ? parts[0]! : Buffer.concat(parts))
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const corrupt = (codec: Codec, cause: unknown) =>
  new MillraceError('CORRUPT_COMPRESSION', `A batch could not be decompressed (codec ${codec}).`, { cause })
