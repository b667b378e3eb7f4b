import { snapshotMark } from '../metadata/local-store.ts'
import { batchCodec, readRecords } from '../records/record-batch.ts'
import type { ReadFiles } from './files.ts'
import { classify, segmentFileName } from './names.ts'
import { type Checksum, SegmentReader, wholeBatchBytesMax } from './segment-reader.ts'

/** What the cluster's metadata say of a topic. */
export interface KnownTopic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
}

const fromUtf8 = new TextDecoder()

/**
 * The topics by the metadata log of this broker in `directory`; undefined when there is none, or when it is not one of ours
 * or is damaged: then nothing is known.
 */
export function readTopics(
  files: ReadFiles,
  directory: string,
  checksum: Checksum,
): Map<string, KnownTopic> | undefined {
  if (!files.exists(directory)) return undefined
  const bases = files
    .list(directory)
    .flatMap(({ name, kind }) => {
      const file = classify(name)
      return kind === 'file' && file.kind === 'log' ? [file.offset] : []
    })
    .sort((a, b) => a - b)
  const values = new MetadataValues()
  try {
    for (const base of bases) {
      const file = files.open(`${directory}/${segmentFileName(base, 'log')}`)
      try {
        if (!values.replay(new SegmentReader(file, checksum), base === bases[bases.length - 1])) return undefined
      } finally {
        file.close()
      }
    }
    return values.topics()
  } catch {
    return undefined // Another program's records, or bytes that cannot be read: the check of that log tells.
  }
}

/** Keys and values as the broker's own store replays them. */
class MetadataValues {
  private entries = new Map<string, string>()
  private staged: Map<string, string> | undefined

  /** False at a damage; at the end of the last segment an append may have been interrupted. */
  replay(reader: SegmentReader, isLast: boolean): boolean {
    for (let position = 0; position < reader.sizeBytes; ) {
      if (reader.judge(position) !== undefined) return isLast || reader.isZeroFrom(position)
      const { sizeBytes } = reader.header
      if (sizeBytes > wholeBatchBytesMax) return false
      const at = reader.load(position, sizeBytes)
      if (batchCodec(reader.bytes, at) !== 0) return false
      for (const { key, value } of readRecords(reader.bytes, at)) {
        if (key === null) return false
        this.apply(fromUtf8.decode(key), value === null ? undefined : fromUtf8.decode(value))
      }
      position += sizeBytes
    }
    return true
  }

  topics(): Map<string, KnownTopic> {
    const topics = new Map<string, KnownTopic>()
    for (const [key, text] of this.entries) {
      if (!key.startsWith('topics/')) continue
      const { name, id, partitions, configs } = JSON.parse(text) as {
        name: string
        id: string
        partitions: unknown[]
        configs: Record<string, string> | undefined
      }
      topics.set(name, { name, id, partitions: partitions.length, configs: configs ?? {} })
    }
    return topics
  }

  private apply(key: string, value: string | undefined): void {
    if (key === snapshotMark.begin) {
      this.staged = new Map()
    } else if (key === snapshotMark.end) {
      if (this.staged !== undefined) this.entries = this.staged
      this.staged = undefined
    } else {
      const into = this.staged ?? this.entries
      if (value === undefined) into.delete(key)
      else into.set(key, value)
    }
  }
}
