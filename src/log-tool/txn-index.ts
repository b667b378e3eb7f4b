import { readInt64 } from '../base/int64.ts'
import type { AbortedTransaction as Aborted } from '../log/transaction-marker.ts'
import { remedy } from './finding.ts'
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
      firstOffset: readInt64(view, at + 10),
      lastOffset: readInt64(view, at + 18),
      lastStableOffset: readInt64(view, at + 26),
    }
}

/** What the walk over a segment found of its markers. */
export interface FoundEnds {
  /** Its abort markers, see `markerKey`. */
  readonly markers: ReadonlySet<string>
  readonly aborted: readonly Pick<Aborted, 'producerId' | 'firstOffset' | 'lastOffset'>[]
}

/**
 * Holds the index of aborted transactions against the segment; whether it is right. Consumers that read what is
 * committed would be given what it lacks.
 */
export function checkAborted(log: LogState, file: string, bytes: Uint8Array, { markers, aborted }: FoundEnds): boolean {
  const wrong = (position: number, message: string): false => {
    log.found('rebuilt', 'txn-index', file, { position }, message, remedy.repair)
    return false
  }
  if (bytes.length % abortedEntryBytes !== 0) return wrong(bytes.length, `${bytes.length} bytes are no whole entries`)
  const begins = new Map(aborted.map(each => [markerKey(each.producerId, each.lastOffset), each.firstOffset]))
  const told = new Set<string>()
  let position = 0
  for (const { version, producerId, firstOffset, lastOffset } of abortedTransactions(bytes)) {
    if (version !== 0) return wrong(position, `an entry has version ${version}`)
    if (firstOffset < 0 || lastOffset < firstOffset)
      return wrong(position, `a transaction lies from ${firstOffset} to ${lastOffset}`)
    // Compaction may have taken the marker.
    if (!markers.has(markerKey(producerId, lastOffset)) && !log.holes)
      return wrong(position, `producer ${producerId} has no abort marker at ${lastOffset}`)
    const begin = begins.get(markerKey(producerId, lastOffset))
    if (begin !== undefined && begin < firstOffset)
      return wrong(position, `what producer ${producerId} aborted at ${lastOffset} begins at ${begin}`)
    told.add(markerKey(producerId, lastOffset))
    position += abortedEntryBytes
  }
  // What lies behind the newest snapshot the next start finds in the log; a running broker may have it in memory.
  if (log.context.live) return true
  const missing = aborted.find(
    ({ producerId, lastOffset }) => lastOffset < log.newestSnapshot && !told.has(markerKey(producerId, lastOffset)),
  )
  if (missing === undefined) return true
  const { producerId, lastOffset } = missing
  return wrong(position, `it does not name what producer ${producerId} aborted at ${lastOffset}`)
}

export const markerKey = (producerId: bigint, offset: number): string => `${producerId} ${offset}`
