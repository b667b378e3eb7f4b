import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClientError, type Driver } from './driver.ts'
import { run } from './process.ts'
import { type FetchedRecord, type Part, type ProduceArgs, type SentRecord, wireText } from './wire.ts'

const callLimitMs = 60_000

/** kcat as a driver: one run of the program for each command, partition or set of headers. */
export class KcatDriver implements Driver {
  private readonly ops: Readonly<Record<string, (args: never) => Promise<unknown>>> = {
    hello: () => this.hello(),
    produce: (args: ProduceArgs) => this.produce(args),
    fetch: (args: { parts: readonly Part[] }) => this.fetch(args.parts),
    listTopics: () => this.listTopics(),
    describeTopic: (args: { topic: string }) => this.describeTopic(args.topic),
    describeCluster: () => this.describeCluster(),
    listOffsets: (args: { topic: string; partition: number; spec: number }) => this.listOffsets(args),
  }

  constructor(
    private readonly kcat: string,
    private readonly bootstrap: string,
  ) {}

  async call<T>(op: string, args: object = {}): Promise<T> {
    return this.ops[op]?.(args as never) as Promise<T>
  }

  async end(): Promise<void> {}

  private async run(...args: string[]): Promise<string> {
    const { stdout } = await run(this.kcat, ['-b', this.bootstrap, ...args], { timeoutMs: callLimitMs })
    return stdout
  }

  private async hello() {
    const { stdout } = await run(this.kcat, ['-V'], { timeoutMs: callLimitMs })
    const [, version, library] = /Version (\S+) .*librdkafka (\S+)/.exec(stdout) ?? []
    return { version: `${version}, librdkafka ${library}`, ops: Object.keys(this.ops).filter(op => op !== 'hello') }
  }

  /** Lines of a file, tab between key and value; an empty one is null. It says no offsets. */
  private async produce({ topic, partition, codec, acks, idempotent, records }: ProduceArgs) {
    const dir = await mkdtemp(join(tmpdir(), 'millrace-kcat-driver-'))
    const text = (encoded: string | null): string => (encoded === null ? '' : Buffer.from(encoded, 'base64').toString())
    const line = ({ key, value }: SentRecord): string => `${text(key)}\t${text(value)}`
    const headers = (records[0]?.headers ?? []).flatMap(([name, value]) => ['-H', `${name}=${text(value)}`])
    const settings = [`acks=${acks}`, `enable.idempotence=${idempotent}`, 'message.max.bytes=1048576']
    try {
      const file = join(dir, 'records')
      await writeFile(file, records.map(line).join('\n'))
      const target = ['-P', '-t', topic, '-p', String(partition), '-z', codec, '-K', '\t', '-Z', '-l', file]
      await this.run(...target, ...headers, ...settings.flatMap(setting => ['-X', setting]))
    } finally {
      await rm(dir, { recursive: true })
    }
    return { offsets: records.map(() => null) }
  }

  private async fetch(parts: readonly Part[]) {
    const read: FetchedRecord[][] = []
    for (const part of parts) read.push(await this.fetchPart(part))
    return { parts: read }
  }

  private async fetchPart({ topic, partition, offset, count }: Part): Promise<FetchedRecord[]> {
    const from = ['-C', '-t', topic, '-p', String(partition), '-o', String(offset), '-c', String(count), '-q']
    const args = ['-b', this.bootstrap, ...from, '-X', 'check.crcs=true', '-f', '%o %T %K %S %k%s%h\\n']
    const child = spawn(this.kcat, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), callLimitMs)
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [code] = await once(child, 'close')
    clearTimeout(timer)
    if (code !== 0) throw new ClientError(0, `kcat ended with ${code}`)
    return parseRecords(Buffer.concat(chunks))
  }

  private async metadata(...args: string[]) {
    return JSON.parse(await this.run('-L', '-J', ...args)) as {
      controllerid: number
      brokers: { id: number; name: string }[]
      topics: {
        topic: string
        error?: string
        partitions: { partition: number; leader: number; replicas: { id: number }[]; isrs: { id: number }[] }[]
      }[]
    }
  }

  private async listTopics() {
    return { topics: (await this.metadata()).topics.map(({ topic }) => topic) }
  }

  private async describeTopic(name: string) {
    const found = (await this.metadata()).topics.find(({ topic }) => topic === name)
    if (found === undefined) throw new ClientError(3, 'the topic is not listed')
    const ids = (nodes: { id: number }[]): number[] => nodes.map(({ id }) => id)
    const described = found.partitions.map(({ partition, leader, replicas, isrs }) => ({
      partition,
      leader,
      replicas: ids(replicas),
      isr: ids(isrs),
    }))
    return { partitions: described.sort((a, b) => a.partition - b.partition) }
  }

  private async describeCluster() {
    const { brokers, controllerid } = await this.metadata()
    const nodes = brokers.map(({ id, name }) => {
      const [, host, port] = /^(.*):(\d+)$/.exec(name) ?? []
      return { id, host, port: Number(port) }
    })
    return { nodes, controller: controllerid }
  }

  private async listOffsets({ topic, partition, spec }: { topic: string; partition: number; spec: number }) {
    const found = await this.run('-Q', '-t', `${topic}:${partition}:${spec}`)
    return { offset: Number(/offset (-?\d+)/.exec(found)?.[1]) }
  }
}

/** Reads `%o %T %K %S %k%s%h\n`: lengths (-1 for null) come before the bytes; headers are `name=value`, by commas. */
function parseRecords(bytes: Buffer): FetchedRecord[] {
  const records: FetchedRecord[] = []
  for (let position = 0; position < bytes.length; ) {
    const [prefix = '', offset, timestamp, keyBytes, valueBytes] =
      /^(-?\d+) (-?\d+) (-?\d+) (-?\d+) /.exec(bytes.toString('latin1', position, position + 100)) ?? []
    if (prefix === '') throw new ClientError(0, `kcat printed what is no record at byte ${position}`)
    let at = position + prefix.length
    const take = (length: number): Buffer | null => {
      if (length < 0) return null
      at += length
      return bytes.subarray(at - length, at)
    }
    const key = take(Number(keyBytes))
    const value = take(Number(valueBytes))
    const end = bytes.indexOf('\n', at)
    const headers = bytes.subarray(at, end).toString('latin1')
    records.push({
      offset: Number(offset),
      timestamp: Number(timestamp),
      key: wireText(key),
      value: wireText(value),
      headers: headers === '' ? [] : headers.split(',').map(headerOf),
    })
    position = end + 1
  }
  return records
}

function headerOf(pair: string): [string, string | null] {
  const at = pair.indexOf('=')
  const name = Buffer.from(pair.slice(0, at), 'latin1').toString()
  const value = pair.slice(at + 1)
  return [name, value === 'NULL' ? null : wireText(Buffer.from(value, 'latin1'))]
}
