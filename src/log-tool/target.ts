import { MillraceError } from '../base/error.ts'
import { metadataLogName } from '../log/data-directory.ts'
import type { ReadFiles } from './files.ts'
import { classify, metadataName, topicPartitionOf } from './names.ts'

const metaFile = 'meta.properties'

/** What the directory named on the command line is. */
export interface Target {
  /** The data directory that holds everything, if there is one: its checkpoints tell of each partition. */
  readonly root: string | undefined
  /** Directory names below `root`, or, without one, the partition's own. */
  readonly partitions: readonly string[]
  /** Only the partitions named were asked for: what else lies in the data directory is nobody's question. */
  readonly filtered: boolean
  pathOf(name: string): string
}

/** Which partitions of a data directory are meant; all, when both are empty. */
export interface TargetFilter {
  readonly topics: readonly string[]
  readonly partitions: readonly number[]
}

/** `directory` is absolute, without links. Throws when it is neither a data directory nor one of a partition. */
export function resolveTarget(files: ReadFiles, directory: string, filter: TargetFilter): Target {
  const entries = files.list(directory)
  const has = (name: string) => entries.some(entry => entry.name === name && entry.kind === 'file')
  const slash = directory.lastIndexOf('/')
  const name = directory.slice(slash + 1)
  const parent = directory.slice(0, Math.max(slash, 1))
  const isPartition =
    !has(metaFile) &&
    (has(metadataName) || entries.some(entry => entry.kind === 'file' && classify(entry.name).kind === 'log'))
  if (isPartition) {
    if (filter.topics.length > 0 || filter.partitions.length > 0)
      throw new MillraceError(
        'USAGE',
        `${directory} is one partition: --topic and --partition are for a data directory.`,
      )
    const inside = files.exists(`${parent}/${metaFile}`) && topicPartitionOf(name) !== undefined
    return inside
      ? { root: parent, partitions: [name], filtered: true, pathOf: each => `${parent}/${each}` }
      : { root: undefined, partitions: [name], filtered: true, pathOf: () => directory }
  }
  const names = entries
    .filter(entry => entry.kind === 'directory' && topicPartitionOf(entry.name) !== undefined)
    .map(entry => entry.name)
  if (names.length === 0 && !has(metaFile))
    throw new MillraceError(
      'NO_LOGS',
      `${directory} holds neither a partition's segments nor partitions: name a data directory or one partition's directory.`,
    )
  const filtered = filter.topics.length > 0 || filter.partitions.length > 0
  const chosen = names.filter(each => {
    const { topic, partition } = topicPartitionOf(each)!
    const byTopic = filter.topics.length === 0 || filter.topics.includes(topic)
    return byTopic && (filter.partitions.length === 0 || filter.partitions.includes(partition))
  })
  if (filtered && chosen.length === 0)
    throw new MillraceError('NO_LOGS', `No partition in ${directory} is of that topic and number.`)
  return { root: directory, partitions: chosen.sort(byName), filtered, pathOf: each => `${directory}/${each}` }
}

/** The metadata first, then by topic and number. */
function byName(a: string, b: string): number {
  if (a === metadataLogName || b === metadataLogName) return a === metadataLogName ? -1 : 1
  const left = topicPartitionOf(a)!
  const right = topicPartitionOf(b)!
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1
  return left.partition - right.partition
}
