import { int64At } from './batch.ts'
import type { LogState } from './log-state.ts'

/** Kafka's .txnindex: version int16 (0), producer id, first offset, last offset, last stable offset int64. */
export const abortedEntryBytes = 34

export interface AbortedTransaction {
  readonly version: number
  readonly producerId: bigint
  readonly firstOffset: number
  readonly lastOffset: number
  readonly lastStableOffset: number
}

export function* abortedTransactions(bytes: Uint8Array): Generator<AbortedTransaction> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + abortedEntryBytes <= bytes.length; at += abortedEntryBytes)
    yield {
      version: view.getInt16(at),
      producerId: view.getBigInt64(at + 2),
      firstOffset: int64At(view, at + 10),
      lastOffset: int64At(view, at + 18),
      lastStableOffset: int64At(view, at + 26),
    }
}

/** Without it, consumers that read what is committed would be given what was aborted. */
const next = 'restore the file from a backup: what it says is not made anew'

/** Holds the index of aborted transactions against the abort markers of its segment; whether it is right. */
export function checkAborted(log: LogState, file: string, bytes: Uint8Array, markers: ReadonlySet<string>): boolean {
  const wrong = (position: number, message: string): false => {
    log.found('data', 'txn-index', file, { position }, message, next)
    return false
  }
  if (bytes.length % abortedEntryBytes !== 0) return wrong(bytes.length, `${bytes.length} bytes are no whole entries`)
  const told = new Set<string>()
  let position = 0
  for (const { version, producerId, firstOffset, lastOffset } of abortedTransactions(bytes)) {
    if (version !== 0) return wrong(position, `an entry has version ${version}`)
    if (firstOffset < 0 || lastOffset < firstOffset)
      return wrong(position, `a transaction lies from ${firstOffset} to ${lastOffset}`)
    // Compaction may have taken the marker.
    if (!markers.has(markerKey(producerId, lastOffset)) && !log.holes)
      return wrong(position, `producer ${producerId} has no abort marker at ${lastOffset}`)
    told.add(markerKey(producerId, lastOffset))
    position += abortedEntryBytes
  }
  return true
}

export const markerKey = (producerId: bigint, offset: number): string => `${producerId} ${offset}`
