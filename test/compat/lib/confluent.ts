import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installPython } from './install.ts'
import { endedWithin } from './process.ts'

type Config = Readonly<Record<string, string | number | boolean>>

export interface OutgoingRecord {
  readonly partition?: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: readonly (readonly [string, Buffer | null])[]
  readonly timestamp?: number
}

export interface ReadRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  /** 1: create time, 2: log append time. */
  readonly timestampType: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
}

export type Delivery = { readonly partition: number; readonly offset: number } | { readonly error: string }

interface WireMessage {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

const driver = fileURLToPath(new URL('../python/driver.py', import.meta.url))
const commandLimitMs = 120_000

const toText = (bytes: Buffer | null): string | null => (bytes === null ? null : bytes.toString('base64'))
const toBytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'))

export const isDelivered = (delivery: Delivery): delivery is { partition: number; offset: number } =>
  !('error' in delivery)

/** Python's confluent-kafka, driven from a test: one process that holds any number of its clients. */
export class Confluent {
  private readonly waiting: ((line: string) => void)[] = []
  private nextId = 1

  private constructor(
    private readonly child: ChildProcess,
    private readonly bootstrap: string,
  ) {}

  static async start(bootstrap: string): Promise<Confluent> {
    const child = spawn(await installPython(), [driver], { stdio: ['pipe', 'pipe', 'inherit'] })
    const confluent = new Confluent(child, bootstrap)
    createInterface({ input: child.stdout }).on('line', line => confluent.waiting.shift()?.(line))
    child.once('exit', () => {
      for (const settle of confluent.waiting) settle('{"error":"the driver ended"}')
    })
    return confluent
  }

  async end(): Promise<void> {
    this.child.stdin?.end()
    await endedWithin(this.child, 30_000)
  }

  /** Ends the process and its clients at once, whatever they wait for. */
  kill(): void {
    this.child.kill('SIGKILL')
  }

  async producer(config: Config = {}): Promise<ConfluentProducer> {
    const id = this.nextId++
    await this.command({ op: 'producer_open', id, config: this.withBootstrap(config) })
    return new ConfluentProducer(this, id)
  }

  async consumer(
    topic: string,
    offsets: Readonly<Record<number, number>>,
    config: Config = {},
  ): Promise<ConfluentConsumer> {
    const id = this.nextId++
    const assign = Object.entries(offsets).map(([partition, offset]) => ({
      topic,
      partition: Number(partition),
      offset,
    }))
    await this.command({ op: 'consumer_open', id, config: this.withBootstrap(config), assign })
    return new ConfluentConsumer(this, id, topic)
  }

  /** Everything of one partition from an offset to its high watermark. */
  async readAll(topic: string, partition = 0, from = 0, config: Config = {}): Promise<ReadRecord[]> {
    const consumer = await this.consumer(topic, { [partition]: from }, config)
    const [low, high] = await consumer.watermarks(partition)
    const records = await consumer.read(high - Math.max(low, from))
    await consumer.close()
    return records
  }

  async createTopics(...topics: { topic: string; partitions: number; config?: Record<string, string> }[]) {
    return this.command<Record<string, string | null>>({ op: 'create_topics', config: this.withBootstrap({}), topics })
  }

  async deleteTopics(...topics: string[]) {
    return this.command<Record<string, string | null>>({ op: 'delete_topics', config: this.withBootstrap({}), topics })
  }

  async listTopics() {
    return this.command<Record<string, number[]>>({ op: 'list_topics', config: this.withBootstrap({}) })
  }

  async command<T>(command: object): Promise<T> {
    const line = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.child.kill('SIGKILL')
        reject(new Error(`confluent-kafka did not finish ${JSON.stringify(command).slice(0, 200)}`))
      }, commandLimitMs)
      this.waiting.push(answer => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.child.stdin?.write(`${JSON.stringify(command)}\n`)
    })
    const answer = JSON.parse(line) as { result: T } | { error: string }
    if ('error' in answer) throw new Error(answer.error)
    return answer.result
  }

  private withBootstrap(config: Config): Config {
    return { 'bootstrap.servers': this.bootstrap, ...config }
  }
}

export class ConfluentProducer {
  constructor(
    private readonly confluent: Confluent,
    private readonly id: number,
  ) {}

  /** Sends and waits for every delivery report, at most `flushMs`. */
  async send(topic: string, records: readonly OutgoingRecord[], flushMs = 60_000): Promise<Delivery[]> {
    const encoded = records.map(record => ({
      ...record,
      key: toText(record.key),
      value: toText(record.value),
      headers: (record.headers ?? []).map(([name, value]) => [name, toText(value)]),
    }))
    return this.confluent.command({ op: 'producer_send', id: this.id, topic, records: encoded, flushMs })
  }

  async close(): Promise<void> {
    await this.confluent.command({ op: 'close', id: this.id })
  }
}

/** A consumer with fixed partitions: no group stands behind it. */
export class ConfluentConsumer {
  constructor(
    private readonly confluent: Confluent,
    private readonly id: number,
    private readonly topic: string,
  ) {}

  /** Exactly `count` records, in the order in which they came; throws if they do not come. */
  async read(count: number, timeoutMs = 20_000): Promise<ReadRecord[]> {
    const command = { op: 'consumer_read', id: this.id, count, timeoutMs }
    const answer = await this.confluent.command<{ messages: WireMessage[]; error?: string }>(command)
    if (answer.error !== undefined) throw new Error(answer.error)
    if (answer.messages.length !== count) throw new Error(`read ${answer.messages.length} of ${count} records`)
    return answer.messages.map(message => ({
      ...message,
      key: toBytes(message.key),
      value: toBytes(message.value),
      headers: message.headers.map(([name, value]) => [name, toBytes(value)] as const),
    }))
  }

  async seek(partition: number, offset: number): Promise<void> {
    await this.confluent.command({ op: 'consumer_seek', id: this.id, topic: this.topic, partition, offset })
  }

  /** Per timestamp the offset of the first record that is not older, or -1 (the end) where there is none. */
  async offsetsForTimes(partition: number, timestamps: readonly number[]): Promise<number[]> {
    const command = { op: 'consumer_offsets_for_times', id: this.id, topic: this.topic, partition, timestamps }
    return this.confluent.command(command)
  }

  async watermarks(partition: number): Promise<[low: number, high: number]> {
    return this.confluent.command({ op: 'consumer_watermarks', id: this.id, topic: this.topic, partition })
  }

  async close(): Promise<void> {
    await this.confluent.command({ op: 'close', id: this.id })
  }
}
