import assert from 'node:assert/strict'
import { readdir, watch } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A partition's directory and the names of its files. */
export interface PartitionFiles {
  readonly dir: string
  readonly files: readonly string[]
}

const segmentName = /^\d{20}\.log$/

/** Every directory below `dataDir` that holds segments: one per partition. */
export const partitionDirs = async (dataDir: string): Promise<PartitionFiles[]> => {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const byDir = new Map<string, string[]>()
  for (const entry of entries) {
    if (!entry.isFile()) continue
    byDir.set(entry.path, [...(byDir.get(entry.path) ?? []), entry.name])
  }
  return [...byDir]
    .filter(([, files]) => files.some(file => segmentName.test(file)))
    .map(([dir, files]) => ({ dir, files: files.sort() }))
}

export const segmentFiles = ({ dir, files }: PartitionFiles): string[] =>
  files.filter(file => segmentName.test(file)).map(file => join(dir, file))

/** The directory that holds the directories of a topic's partitions, of which there must be `count`. */
export const directoryOfPartitions = async (dataDir: string, topic: string, count: number): Promise<string> => {
  const dirs = (await partitionDirs(dataDir)).map(({ dir }) => dir)
  const ofTopic = dirs.filter(dir => basename(dir).startsWith(`${topic}-`))
  assert.equal(ofTopic.length, count, `partitions of ${topic} among ${dirs}`)
  return dirname(ofTopic[0] ?? '')
}

/** Files may go after the answer to a delete: looks again at each change, within the time limit of the test. */
export const untilTopicGone = async (parent: string, topic: string): Promise<void> => {
  const stop = new AbortController()
  const changes = watch(parent, { signal: stop.signal })[Symbol.asyncIterator]()
  for (;;) {
    const change = changes.next()
    const names = await readdir(parent)
    if (!names.some(name => name.startsWith(`${topic}-`) || name.startsWith(`${topic}.`))) {
      change.catch(() => undefined)
      stop.abort()
      return
    }
    await change
  }
}
