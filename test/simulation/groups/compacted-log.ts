import type { LogEntry } from '../../support/offsets-shard.ts'

/**
 * What the cleaner may leave of a log: below the first record of an open transaction only the last record of each key, none of
 * aborted transactions, and no tombstones that are old enough, which here all are.
 */
export function compact(log: readonly LogEntry[]): LogEntry[] {
  const fates = fatesOf(log)
  const stable = fates.indexOf('open')
  const end = stable < 0 ? log.length : stable
  const last = new Map<string, number>()
  for (let at = 0; at < end; at++) if (fates[at] === 'counts') last.set(keyOf(log[at]!), at)
  return log.filter((entry, at) => {
    if (at >= end || !('record' in entry)) return true
    return last.get(keyOf(entry)) === at && entry.record.value !== null
  })
}

type Fate = 'counts' | 'aborted' | 'open' | 'end'

function fatesOf(log: readonly LogEntry[]): Fate[] {
  const ends = new Map<bigint, boolean>()
  const fates: Fate[] = new Array(log.length)
  for (let at = log.length - 1; at >= 0; at--) {
    const entry = log[at]!
    if ('endedId' in entry) {
      ends.set(entry.endedId, entry.committed)
      fates[at] = 'end'
    } else if (entry.producerId === -1n) fates[at] = 'counts'
    else {
      const committed = ends.get(entry.producerId)
      fates[at] = committed === undefined ? 'open' : committed ? 'counts' : 'aborted'
    }
  }
  return fates
}

function keyOf(entry: LogEntry): string {
  return 'record' in entry ? `${entry.record.schema.name} ${Object.values(entry.record.key).join(' ')}` : ''
}
