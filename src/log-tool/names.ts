/** What a name in a partition's directory stands for. Base offsets are written with 20 digits. */
export type PartitionFile =
  | { readonly kind: 'log' | 'index' | 'timeindex' | 'txnindex' | 'snapshot'; readonly offset: number }
  | { readonly kind: 'epochs' | 'metadata' | 'prepared' }
  /** What recovery or repair took away and keeps, for whoever wants to look. */
  | { readonly kind: 'aside' }
  /** What a process left behind that was about to remove, replace or write a file. */
  | { readonly kind: 'leftover'; readonly of: 'removal' | 'compaction' | 'temporary' }
  /** A finished compaction that is not yet in place: the next start puts it there. */
  | { readonly kind: 'swap' }
  | { readonly kind: 'other' }

export const epochsName = 'leader-epoch-checkpoint'
export const metadataName = 'partition.metadata'
/** Of a log in an app that is open, or was when its process ended: where the header of its open batch is kept. */
export const openBatchName = 'open-batch'
const offsetDigits = 20

export function classify(name: string): PartitionFile {
  if (name === epochsName) return { kind: 'epochs' }
  if (name === metadataName) return { kind: 'metadata' }
  if (name === 'next.prepared' || /^spare-\d+\.prepared$/.test(name)) return { kind: 'prepared' }
  if (name.endsWith('.deleted')) return { kind: 'leftover', of: 'removal' }
  if (name.endsWith('.cleaned')) return { kind: 'leftover', of: 'compaction' }
  if (name.endsWith('.swap') || /\.log\.swap-\d{20}$/.test(name)) return { kind: 'swap' }
  if (name.endsWith('.tmp')) return { kind: 'leftover', of: 'temporary' }
  if (/\.cut-\d+(\.\d+)?$/.test(name)) return { kind: 'aside' }
  const match = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/.exec(name)
  if (match === null) return { kind: 'other' }
  const offset = Number(match[1])
  if (!Number.isSafeInteger(offset)) return { kind: 'other' }
  return { kind: match[2] as 'log', offset }
}

export const segmentFileName = (baseOffset: number, suffix: string): string =>
  `${String(baseOffset).padStart(offsetDigits, '0')}.${suffix}`

/** A directory that `repair` made, in a partition's directory, for what it took away. */
export const isRepairDirectory = (name: string): boolean => /^repair-\d{8}T\d{6}Z(\.\d+)?$/.test(name)

/** The topic and partition of a directory's name; undefined for other names. */
export function topicPartitionOf(name: string): { topic: string; partition: number } | undefined {
  const match = /^(.+)-(\d+)$/.exec(name)
  return match === null ? undefined : { topic: match[1]!, partition: Number(match[2]) }
}
