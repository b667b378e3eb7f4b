import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fillTopic } from './fill-topic.ts'
import { evictFiles, type LoadOptions, type LoadResult, runLoad } from './loadgen.ts'
import type { ColdReads, Load } from './measure.ts'
import type { RunningBroker, Side } from './sides.ts'

/** A topic whose files can be dropped from memory. */
export interface ColdTopic {
  readonly name: string
  readonly address: string
  /** Of its partitions. */
  readonly directories: readonly string[]
}

const partitions = 4
// What is still being written is mapped and stays in memory; of 3 GB in such segments that is a sixteenth.
const segmentBytes = 48 << 20
const readBytes = 1 << 20

/** Writes a topic of so many bytes beside the one that `base` names. */
export const fillColdTopic = async (
  base: LoadOptions,
  broker: RunningBroker,
  side: Side,
  bytes: number,
): Promise<ColdTopic> => {
  const { dataDir, address } = broker
  if (dataDir === undefined)
    throw new Error('what a broker has in memory can be dropped only where its files are known')
  const name = `${base.topic}-cold`
  await fillTopic({ ...base, topic: name }, side, { partitions, bytes, configs: [`segment.bytes=${segmentBytes}`] })
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true })
  const directories = entries
    .filter(entry => entry.isDirectory() && entry.name.startsWith(`${name}-`))
    .map(entry => join(entry.parentPath, entry.name))
  if (directories.length === 0) throw new Error(`no files of ${name} below ${dataDir}`)
  return { name, address, directories }
}

const dropFromMemory = async ({ directories }: ColdTopic): Promise<void> => {
  for (const directory of directories) await evictFiles(directory)
}

/** Reads the topic from the disk, over and over, until `done`. Its files are dropped from memory before each time. */
const readCold = async (topic: ColdTopic, done: () => boolean): Promise<ColdReads> => {
  const total = { bytes: 0, seconds: 0, cpuSeconds: 0 }
  while (!done()) {
    await dropFromMemory(topic)
    const { address: target, name } = topic
    const options = { target, topic: name, 'keep-topic': true, 'partition-max-bytes': readBytes }
    const read = await runLoad('fetch', { ...options, once: true, duration: 600 })
    total.bytes += read.bytes
    total.seconds += read.seconds
    total.cpuSeconds += read.generatorCpuSeconds
  }
  return total
}

/** Runs `load` while another client reads the topic from the disk. */
export const besideReader = async (topic: ColdTopic, load: () => Promise<LoadResult>): Promise<Load> => {
  let done = false
  const measuring = load().finally(() => {
    done = true
  })
  const [measured, cold] = await Promise.all([measuring, readCold(topic, () => done)])
  return { load: measured, cold }
}

/** What a program reads that takes the topic's segments one after the other, from the disk, and does nothing else. */
export const readPlainly = async (topic: ColdTopic): Promise<{ bytes: number; seconds: number }> => {
  await dropFromMemory(topic)
  let bytes = 0
  const startedAt = performance.now()
  for (const directory of topic.directories) {
    const segments = (await readdir(directory)).filter(name => name.endsWith('.log')).sort()
    for (const segment of segments) {
      const stream = createReadStream(join(directory, segment), { highWaterMark: readBytes })
      for await (const chunk of stream) bytes += (chunk as Buffer).length
    }
  }
  return { bytes, seconds: (performance.now() - startedAt) / 1000 }
}
