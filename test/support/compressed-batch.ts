import { gzipSync } from 'node:zlib'
import { Zstd } from '@hpcc-js/wasm-zstd'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { batchHeaderBytes, batchOverheadBytes, Codec } from '../../src/records/batch-header.ts'
import { crc32c } from '../../src/records/crc32c.ts'

const zstd = await Zstd.load()

export const codecs = [Codec.gzip, Codec.snappy, Codec.lz4, Codec.zstd] as const
export const codecName = (codec: Codec): string => Object.entries(Codec).find(([, value]) => value === codec)![0]

/** Folds bytes as clients do. */
export function fold(codec: Codec, bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes)
  switch (codec) {
    case Codec.none:
      return buffer
    case Codec.gzip:
      return gzipSync(buffer)
    case Codec.snappy:
      return compressSync(buffer)
    case Codec.lz4:
      return compressFrameSync(buffer)
    case Codec.zstd:
      return zstd.compress(buffer)
  }
}

/** An uncompressed batch with its records folded, or with `section` in their place; all else says the same. */
export function compressed(
  batch: Uint8Array,
  codec: Codec,
  section = fold(codec, batch.subarray(batchHeaderBytes)),
): Uint8Array {
  const bytes = Buffer.concat([batch.subarray(0, batchHeaderBytes), section])
  bytes.writeInt32BE(bytes.length - batchOverheadBytes, 8)
  bytes.writeInt16BE(bytes.readInt16BE(21) | codec, 21)
  return resealed(bytes)
}

/** The batch with a checksum that fits its bytes again. */
export function resealed<Bytes extends Uint8Array>(batch: Bytes): Bytes {
  new DataView(batch.buffer, batch.byteOffset).setUint32(17, crc32c(batch.subarray(21)))
  return batch
}
