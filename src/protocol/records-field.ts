/** Where a `records` field lies in the bytes the reader was given; valid for as long as those bytes are. */
export interface RecordsView {
  readonly position: number
  readonly length: number
}

/** Record batches that the transport sends from a file: `region` is the sender's own name for them. */
export interface FileRegion {
  readonly region: number
  readonly length: number
}

/** What a `records` field is encoded from: bytes, which are copied, or a file region, which is only counted. */
export type RecordsInput = Uint8Array | FileRegion
