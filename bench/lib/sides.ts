import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { formatKafka, startKafka } from '../../test/compat/lib/reference-kafka.ts'
import type { BrokerMemory } from './broker-memory.ts'
import { startMillrace, stopProcess } from './broker-process.ts'
import { endsWithBench, makeDataDirectory } from './data-directory.ts'
import { spawnEcho } from './loadgen.ts'
import type { BenchOptions } from './options.ts'

/**
 * What an acknowledgement is asked to mean: whatever the broker promises as shipped; that the records are written, in
 * the page cache; or that they are on the disk.
 */
export type Promised = 'as shipped' | 'written' | 'durable'
export type Acks = '0' | '1' | 'all'

/** Beyond a broker's defaults, by Kafka's names. */
export type BrokerConfig = Readonly<Record<string, string>>

export interface RunningBroker {
  /** HOST:PORT. */
  readonly address: string
  /** Where its files are; undefined where that is not known. */
  readonly dataDir?: string
  readonly pid: number | undefined
  /** Calls back with each line of its log from now on; undefined where the log is not a stream of JSON. */
  readonly onLog?: (listener: (line: Readonly<Record<string, unknown>>) => void) => void
  stop(): Promise<void>
  /** After the stop: removes what it wrote, and with it the memory that this occupied. */
  discard(): Promise<void>
}
type Started = Omit<RunningBroker, 'discard'>

/** One of the columns of a comparison. A side is started anew, on a fresh directory, for each run. */
export interface Side {
  readonly name: string
  /** The echo server: it takes frames and answers zeros, so nothing is set up and nothing can be compared. */
  readonly raw: boolean
  /** Somebody else started it, with what configuration is unknown. */
  readonly foreign: boolean
  start(config: BrokerConfig): Promise<RunningBroker>
  /** Configs that make this side's topics promise it. */
  topicConfigs(acks: Acks, promised: Promised): string[]
  /** Broker configs that make the topics it writes for itself promise it. */
  ownTopicConfig(promised: Promised): BrokerConfig
  /** Where the acknowledged records are, for the row. */
  durability(acks: Acks, promised: Promised): string
}

const inCache = 'page cache'
const onDisk = 'on disk'
const unacknowledged = 'never'

const onFreshDirectory = async (
  parent: string,
  memory: BrokerMemory,
  start: (dataDir: string) => Promise<Started>,
): Promise<RunningBroker> => {
  const { path, remove } = await makeDataDirectory(parent)
  try {
    const broker = await memory.within(() => start(path))
    return { ...broker, dataDir: path, discard: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

export const millraceSide = (dataParent: string, memory: BrokerMemory): Side => ({
  name: 'millrace',
  raw: false,
  foreign: false,
  start: config =>
    onFreshDirectory(dataParent, memory, async dataDir => {
      const { address, pid, child, onLog } = await startMillrace(dataDir, config)
      return { address, pid, onLog, stop: () => stopProcess(child) }
    }),
  // Without write.caching consumers see only what is on the disk, so that their waiting is part of the promise, whatever
  // acks are. acks=all is durable by itself.
  topicConfigs: (acks, promised) => {
    if (promised === 'written') return ['write.caching=true']
    return promised === 'durable' && acks !== 'all' ? ['flush.messages=1'] : []
  },
  // They are on the disk before they count, whatever is asked of others.
  ownTopicConfig: () => ({}),
  durability: (acks, promised) => {
    if (acks === '0') return unacknowledged
    if (promised === 'as shipped') return acks === 'all' ? onDisk : inCache
    return promised === 'written' ? inCache : onDisk
  },
})

/** Kafka's own topics have the broker's defaults. */
const flushingOwnTopics = (promised: Promised): BrokerConfig =>
  promised === 'durable' ? { 'log.flush.interval.messages': '1' } : {}

const kafkaHeapMb = 1024

export const kafkaSide = (dataParent: string, memory: BrokerMemory): Side => ({
  name: 'kafka',
  raw: false,
  foreign: false,
  start: config =>
    onFreshDirectory(dataParent, memory, async dataDir => {
      await formatKafka(dataDir, config)
      const { host, port, child } = await startKafka(dataDir, kafkaHeapMb)
      endsWithBench(child)
      // A JVM that is told to end reports 128 + SIGTERM.
      return { address: `${host}:${port}`, pid: child.pid, stop: () => stopProcess(child, [0, 143]) }
    }),
  topicConfigs: (_, promised) => (promised === 'durable' ? ['flush.messages=1'] : []),
  ownTopicConfig: flushingOwnTopics,
  durability: (acks, promised) => (acks === '0' ? unacknowledged : promised === 'durable' ? onDisk : inCache),
})

/** A broker that somebody else started. Its defaults are unknown, so what it promises is quoted, not claimed. */
export const targetSide = (address: string, pid: number | undefined): Side => ({
  name: 'target',
  raw: false,
  foreign: true,
  start: async () => ({ address, pid, stop: async () => {}, discard: async () => {} }),
  topicConfigs: (_, promised) => (promised === 'durable' ? ['flush.messages=1'] : []),
  ownTopicConfig: flushingOwnTopics,
  durability: (_, promised) => (promised === 'durable' ? 'flush.messages=1' : "the target's default"),
})

/** The ceiling: what loopback TCP and the generator reach against a server that does no work. */
export const echoSide = (replyBytes: number): Side => ({
  name: 'echo',
  raw: true,
  foreign: false,
  start: async () => {
    const child = spawnEcho(replyBytes)
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const stop = async (): Promise<void> => {
      const gone = once(child, 'exit')
      child.stdin.end()
      await gone
    }
    return { address: line.replace('echo on ', ''), pid: child.pid, stop, discard: async () => {} }
  },
  topicConfigs: () => [],
  ownTopicConfig: () => ({}),
  durability: () => 'nothing',
})

/** The brokers that the options ask for, ours first. */
export const brokerSides = (options: BenchOptions, memory: BrokerMemory): Side[] => {
  if (options.target !== undefined) return [targetSide(options.target.address, options.target.pid)]
  const sides = [millraceSide(options.dataParent, memory)]
  if (options.peerKafka) sides.push(kafkaSide(options.dataParent, memory))
  return sides
}
