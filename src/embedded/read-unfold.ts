import type { Codec } from '../records/batch-header.ts'
import { decompressHere } from '../records/compression.ts'

/** The records section of a compressed batch, unfolded on this thread. */
export const unfold = (codec: Codec, section: Uint8Array): Uint8Array => decompressHere(codec, section)
