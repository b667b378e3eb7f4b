import { Attribute, type BatchHeader, codecMask, isControl, isTransactional, lastOffset } from './batch.ts'
import type { Format } from './options.ts'

const codecNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const maxSequence = 0x7fffffff
const fromUtf8 = new TextDecoder()

/** The words of kafka-dump-log, which people's scripts read. */
export const timestampName = (header: BatchHeader): string =>
  (header.attributes & Attribute.logAppendTime) === 0 ? 'CreateTime' : 'LogAppendTime'

export const codecName = (header: BatchHeader): string =>
  codecNames[header.attributes & codecMask] ?? `unknown(${header.attributes & codecMask})`

export function lastSequence({ baseSequence, lastOffsetDelta }: BatchHeader): number {
  if (baseSequence < 0) return -1
  const sum = baseSequence + lastOffsetDelta
  return sum > maxSequence ? sum - maxSequence - 1 : sum
}

/** The fields of a batch under stable names, in the order in which they are shown. */
export function batchFields(header: BatchHeader, position: number, valid: boolean): Record<string, unknown> {
  return {
    baseOffset: header.baseOffset,
    lastOffset: lastOffset(header),
    count: header.recordCount,
    baseSequence: header.baseSequence,
    lastSequence: lastSequence(header),
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    partitionLeaderEpoch: header.leaderEpoch,
    isTransactional: isTransactional(header),
    isControl: isControl(header),
    deleteHorizonMs: (header.attributes & Attribute.deleteHorizon) === 0 ? null : header.baseTimestamp,
    position,
    [timestampName(header)]: header.maxTimestamp,
    size: header.sizeBytes,
    magic: header.magic,
    compresscodec: codecName(header),
    crc: header.crc,
    isvalid: valid,
  }
}

/** `name: value` after `name: value`. */
export const fieldsText = (fields: Record<string, unknown>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${value ?? 'none'}`)
    .join(' ')

/** Bytes as they are to be shown, cut at `bytesMax` unless that is 0; null stays null. */
export function shown(bytes: Uint8Array | null, format: Format, bytesMax: number): string | null {
  if (bytes === null) return null
  const cut = bytesMax > 0 && bytes.length > bytesMax
  const part = cut ? bytes.subarray(0, bytesMax) : bytes
  const buffer = Buffer.from(part.buffer, part.byteOffset, part.byteLength)
  const text = format === 'text' ? fromUtf8.decode(part) : buffer.toString(format === 'hex' ? 'hex' : 'base64')
  return cut ? `${text}… (${bytes.length} bytes)` : text
}

/** Text on a terminal: what would move the cursor or end the line is written as its escape. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, character =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[\u007f-\u009f]$/, '\ufffd'),
  )
