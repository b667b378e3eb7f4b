/**
 * Record batch v2: the header's fields, read straight from the bytes of a frame or a file.
 *
 *     0 base offset int64 | 8 length int32 (bytes that follow) | 12 leader epoch int32 | 16 magic int8
 *    17 crc uint32 | 21 attributes int16 | 23 last offset delta int32 | 27 base timestamp int64 | 35 max timestamp int64
 *    43 producer id int64 | 51 producer epoch int16 | 53 base sequence int32 | 57 record count int32 | 61 records
 */
export const batchHeaderBytes = 61
/** Bytes of base offset and length, which the length does not count. */
export const batchOverheadBytes = 12
export const currentMagic = 2

export const BatchAttributes = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
} as const

export const Codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type Codec = (typeof Codec)[keyof typeof Codec]

export const magicAt = (view: DataView, at: number): number => view.getInt8(at + 16)
export const batchSizeAt = (view: DataView, at: number): number => view.getInt32(at + 8) + batchOverheadBytes
export const attributesAt = (view: DataView, at: number): number => view.getInt16(at + 21)
export const producerEpochAt = (view: DataView, at: number): number => view.getInt16(at + 51)
export const baseSequenceAt = (view: DataView, at: number): number => view.getInt32(at + 53)
export const recordCountAt = (view: DataView, at: number): number => view.getInt32(at + 57)
export const producerIdAt = (view: DataView, at: number): bigint => view.getBigInt64(at + 43)
/** True without building a bigint: most batches carry no producer id. */
export const hasProducerIdAt = (view: DataView, at: number): boolean => view.getInt32(at + 43) >= 0
