import { batchHeaderBytes, type Codec } from '../records/batch-header.ts'
import { decompress, decompressNow, unfoldedBound } from '../records/compression.ts'
import { type BatchHeader, codecMask } from './batch.ts'
import { errorText } from './files.ts'

/** The records of a batch, unfolded, or why they cannot be had. */
export type Unfolded = { readonly section: Uint8Array } | { readonly fault: string; readonly tooLarge: boolean }

/** Unfolds the records of a compressed batch, whose bytes stay as they are until then. */
export async function unfold(header: BatchHeader, batch: Uint8Array): Promise<Unfolded> {
  const codec = (header.attributes & codecMask) as Codec
  const folded = batch.subarray(batchHeaderBytes, header.sizeBytes)
  try {
    unfoldedBound(codec, folded)
  } catch (error) {
    return { fault: errorText(error), tooLarge: (error as { code?: string }).code === 'COMPRESSION_TOO_LARGE' }
  }
  try {
    return { section: decompressNow(codec, folded) ?? (await decompress(codec, folded)) }
  } catch (error) {
    return { fault: errorText(error), tooLarge: false }
  }
}
