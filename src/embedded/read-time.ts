import { readWholeFile } from '../native/reads.ts'
import { LogCursor } from './cursor.ts'
import type { ReadableLog } from './read-log.ts'
import { int64At, lastOffsetAt, type ReadSegment, segmentFileName } from './read-segment.ts'

/** An entry of a `.timeindex`: the largest timestamp so far, and the last offset of the batch that brought it. */
interface TimeEntry {
  readonly timestampMs: number
  readonly offset: number
}

/** The offset of the first record at or after `timestampMs`; the end offset where there is none. */
export function offsetForTimestamp(log: ReadableLog, timestampMs: number): number {
  for (const base of log.segmentBases) {
    const times = timesOf(log.directory, base)
    const last = times.at(-1)
    // The last entry of a segment that is written no more has its largest timestamp.
    if (base !== log.activeBase && last !== undefined && last.timestampMs < timestampMs) continue
    const segment = log.segmentOf(base)
    const offset = segment === undefined ? undefined : searchSegment(log, segment, times, timestampMs)
    if (offset !== undefined) return offset
  }
  return log.knownEnd
}

function searchSegment(
  log: ReadableLog,
  segment: ReadSegment,
  times: readonly TimeEntry[],
  timestampMs: number,
): number | undefined {
  const before = times.findLast(entry => entry.timestampMs < timestampMs)
  const { view } = segment
  for (let position = segment.find(before?.offset ?? segment.baseOffset); ; ) {
    const end = segment.batchEnd(position, true)
    if (end === position) break
    const largest = int64At(view, position + 35)
    if (largest >= timestampMs) {
      const offset = searchBatch(log, int64At(view, position), lastOffsetAt(view, position), timestampMs)
      if (offset !== undefined) return offset
    }
    position = end
  }
  if (segment.baseOffset !== log.activeBase || log.openBytes === 0 || log.openMaxTimestampMs < timestampMs)
    return undefined
  return searchBatch(log, log.openBase, log.knownEnd - 1, timestampMs)
}

function searchBatch(log: ReadableLog, first: number, last: number, timestampMs: number): number | undefined {
  if (last < log.knownStart) return undefined
  const cursor = new LogCursor(log, Math.max(first, log.knownStart))
  while (cursor.next() && cursor.offset <= last) {
    if (cursor.timestamp >= timestampMs) return cursor.offset
  }
  return undefined
}

function timesOf(directory: string, baseOffset: number): TimeEntry[] {
  const file = readWholeFile(directory, segmentFileName(baseOffset, 'timeindex')) ?? new Uint8Array()
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const entries: TimeEntry[] = []
  for (let at = 0; at + 12 <= file.length; at += 12) {
    const timestampMs = int64At(view, at)
    // Files that are being written end in zeros.
    if (timestampMs <= (entries.at(-1)?.timestampMs ?? -1)) break
    entries.push({ timestampMs, offset: baseOffset + view.getInt32(at + 8) })
  }
  return entries
}
