import type { EpochStart } from './leader-epochs.ts'

/** Kafka's checkpoint files: a version line, a count, then one line an entry. Undefined when a file is not whole. */

export interface TopicPartitionOffset {
  topic: string
  partition: number
  offset: number
}

const version = '0'

/** What stands above the lines of `count` offsets. */
export const offsetsHeader = (count: number): string => `${version}\n${count}\n`

export const offsetLine = ({ topic, partition, offset }: TopicPartitionOffset): string =>
  `${topic} ${partition} ${offset}\n`

export function parseOffsets(text: string): TopicPartitionOffset[] | undefined {
  return parse(text, /^(\S+) (\d+) (\d+)$/, ([, topic, partition, offset]) => ({
    topic: topic!,
    partition: Number(partition),
    offset: Number(offset),
  }))
}

export function formatEpochs(entries: readonly EpochStart[]): string {
  return format(entries.map(entry => `${entry.epoch} ${entry.startOffset}`))
}

export function parseEpochs(text: string): EpochStart[] | undefined {
  return parse(text, /^(\d+) (\d+)$/, ([, epoch, startOffset]) => ({
    epoch: Number(epoch),
    startOffset: Number(startOffset),
  }))
}

/** `partition.metadata`: which topic, by id, a directory belongs to. */
export const formatPartitionMetadata = (topicId: string): string => `version: ${version}\ntopic_id: ${topicId}\n`

export function parsePartitionMetadata(text: string): string | undefined {
  return /^version: 0\ntopic_id: ([\w-]{22})\s*$/.exec(text)?.[1]
}

function format(lines: readonly string[]): string {
  return [version, String(lines.length), ...lines, ''].join('\n')
}

function parse<T>(text: string, line: RegExp, entry: (match: RegExpExecArray) => T): T[] | undefined {
  const [first, count, ...rest] = text.split('\n')
  const lines = rest.filter(each => each !== '')
  if (first !== version || lines.length !== Number(count)) return undefined
  const entries: T[] = []
  for (const each of lines) {
    const match = line.exec(each)
    if (match === null) return undefined
    entries.push(entry(match))
  }
  return entries
}
