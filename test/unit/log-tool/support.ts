import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Broker, startBroker } from '../../../src/app/broker.ts'
import { readBrokerConfig } from '../../../src/app/config.ts'
import { realWorld } from '../../../src/app/real-world.ts'
import { ToolFiles } from '../../../src/app/tool-files.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { OpenTrust } from '../../../src/base/world.ts'
import { parseOffsets } from '../../../src/log/checkpoint-files.ts'
import type { RepairFiles } from '../../../src/log-tool/files.ts'
import { IndexImage } from '../../../src/log-tool/index-entries.ts'
import { runLogCommand } from '../../../src/log-tool/run.ts'
import { Engine } from '../../../src/native/engine.ts'
import { crc32c, lockFile } from '../../../src/native/process.ts'
import { openStorage } from '../../../src/native/storage.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchHeaderBytes, batchSizeAt, Codec } from '../../../src/records/batch-header.ts'
import { decompress } from '../../../src/records/compression.ts'
import { batchCodec, buildBatch, readRecords } from '../../../src/records/record-batch.ts'
import { RawClient } from '../../integration/raw-client.ts'
import { codecs, compressed, resealed } from '../../support/compressed-batch.ts'
import { logSettings } from '../native/support.ts'

export const bounded = { timeout: Number(process.env.MILLRACE_PROPERTY_RUNS ?? 0) > 100 ? 3_600_000 : 110_000 }
const utf8 = new TextEncoder()
const startMs = 1_700_000_000_000

/** What a command printed, and how it ended. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly errors: string
  /** Lines of JSON of one type. */
  of(type: string): Record<string, unknown>[]
}

export const realFiles = (): ToolFiles => new ToolFiles(lockFile)

/** Runs `millrace log …` in this process. */
export async function runLog(args: readonly string[], files: RepairFiles = realFiles()): Promise<Ran> {
  let out = ''
  let errors = ''
  const code = await runLogCommand(
    {
      files,
      checksum: crc32c,
      out: {
        async write(text) {
          out += text
        },
      },
      errors: {
        async write(text) {
          errors += text
        },
      },
      progressLine: undefined,
      wallMs: () => startMs,
      monotonicMs: () => performance.now(),
      resolve: directory => directory,
    },
    [...args],
  )
  const of = (type: string) =>
    out
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Record<string, unknown>)
      .filter(line => line.type === type)
  return { code, out, errors, of }
}

/** Data directories that a real broker wrote, as they are after a kill and after a clean stop; do not change them. */
export interface Houses {
  readonly root: string
  readonly killed: string
  readonly clean: string
  /** The clean one, with a partition that was compacted and holds transactions. */
  readonly holes: string
}

const batch = (i: number, records: number, bytes: number) =>
  buildBatch({
    timestampMs: startMs + i * 1000,
    records: Array.from({ length: records }, (_, j) => ({
      key: utf8.encode(`key-${i % 7}-${j}`),
      value: utf8.encode(`${i}-${j}-`.padEnd(bytes, String.fromCharCode(97 + ((i + j) % 26)))),
      headers: [{ key: 'h', value: utf8.encode(String(i)) }],
    })),
    producerId: 7n,
    producerEpoch: 1,
    baseSequence: i * records,
  })

/** A broker on a data directory, in this process. */
export function startOn(directory: string): Promise<Broker> {
  const given = { 'log.dirs': directory, listeners: 'PLAINTEXT://127.0.0.1:0' }
  return startBroker(readBrokerConfig(new Map(Object.entries(given))).config, realWorld(), silentLogger)
}

export async function buildHouses(): Promise<Houses> {
  const root = mkdtempSync(join(tmpdir(), 'millrace-log-tool-'))
  const houses = { root, killed: join(root, 'killed'), clean: join(root, 'clean'), holes: join(root, 'holes') }
  const broker = await startOn(houses.clean)
  try {
    await fill(await RawClient.open(broker.endpoints[0]!), houses)
  } finally {
    await broker.stop()
  }
  // Copied for each try, and nothing but space.
  for (const house of [houses.killed, houses.clean]) rmSync(join(house, '.reserve'), { force: true })
  cpSync(houses.clean, houses.holes, { recursive: true })
  makeHoles(join(houses.holes, 'compact-0'))
  return houses
}

/** Writes every topic; after what is not removed again, takes the directory as a kill would leave it. */
async function fill(client: RawClient, houses: Houses): Promise<void> {
  const topic = (name: string, configs: Record<string, string>) => ({
    name,
    numPartitions: 1,
    replicationFactor: 1,
    assignments: [],
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
  })
  const made = await client.request(createTopics, 7, {
    topics: [
      topic('plain', { 'segment.bytes': '1048576' }),
      topic('codecs', {}),
      topic('compact', { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '1' }),
      topic('empty', {}),
      topic('trimmed', { 'segment.bytes': '1048576' }),
    ],
    timeoutMs: 10_000,
  })
  for (const each of made.topics) assert.equal(each.errorCode, 0, each.errorMessage ?? '')
  const send = async (name: string, records: Uint8Array) => {
    const topicData = [{ name, partitionData: [{ index: 0, records }] }]
    const { responses } = await client.request(produce, 12, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData,
    })
    assert.equal(responses[0]!.partitionResponses[0]!.errorCode, 0)
  }
  for (let i = 0; i < 40; i++) await send('plain', batch(i, 5, 12_000))
  let sequence = 0
  for (let i = 0; i < 6; i++) {
    for (const codec of [Codec.none, ...codecs]) {
      const whole = batch(sequence++, 4, 300)
      await send('codecs', codec === Codec.none ? whole : compressed(whole, codec))
    }
  }
  for (let i = 0; i < 30; i++) await send('compact', batch(i, 3, 100))
  cpSync(houses.clean, houses.killed, { recursive: true })
  for (let i = 0; i < 30; i++) await send('trimmed', batch(i, 3, 13_000))
  const { topics: trimmed } = await client.request(deleteRecords, 2, {
    topics: [{ name: 'trimmed', partitions: [{ partitionIndex: 0, offset: 85 }] }],
    timeoutMs: 10_000,
  })
  assert.equal(trimmed[0]!.partitions[0]!.errorCode, 0)
  client.destroy()
}

export const removeHouses = (houses: Houses | undefined): void => {
  if (houses !== undefined) rmSync(houses.root, { recursive: true, force: true })
}

const endOfHoles = 90

/** As after compaction: offsets missing between batches and inside, an emptied batch, transactions with their markers. */
function makeHoles(directory: string): void {
  const batches: { baseOffset: number; bytes: Uint8Array }[] = []
  const add = (baseOffset: number, bytes: Uint8Array) => batches.push({ baseOffset, bytes })
  const lacking = (bytes: Uint8Array, lastOffsetDelta: number) => {
    new DataView(bytes.buffer).setInt32(23, lastOffsetDelta)
    return resealed(bytes)
  }
  const marker = (type: number, at: number) =>
    buildBatch({
      timestampMs: startMs + at,
      attributes: 0x30,
      producerId: 9n,
      producerEpoch: 0,
      records: [{ key: Uint8Array.of(0, 0, 0, type), value: Uint8Array.of(0, 0, 0, 0, 0, 3) }],
    })
  const transactional = (at: number, baseSequence: number) =>
    buildBatch({
      timestampMs: startMs + at,
      attributes: 0x10,
      producerId: 9n,
      producerEpoch: 0,
      baseSequence,
      records: [{ key: utf8.encode(`t${at}`), value: utf8.encode('in a transaction') }],
    })
  add(4, lacking(batch(1, 2, 80), 4))
  add(20, lacking(batch(2, 3, 80), 9))
  add(33, transactional(33, 0))
  add(34, marker(1, 34))
  add(40, transactional(40, 1))
  add(45, marker(0, 45))
  const emptied = batch(20, 1, 10).slice(0, batchHeaderBytes)
  const view = new DataView(emptied.buffer)
  view.setInt32(8, batchHeaderBytes - 12)
  view.setInt32(23, 5)
  view.setInt32(57, 0)
  add(50, resealed(emptied))
  for (let offset = 60; offset < endOfHoles; offset += 10) add(offset, compressed(batch(offset, 10, 90), Codec.lz4))
  writeSegment(directory, 0, batches)
  for (const name of readdirSync(directory)) if (name.endsWith('.snapshot')) rmSync(join(directory, name))
  writeFileSync(join(directory, '00000000000000000000.txnindex'), abortedEntry(9n, 40, 45))
}

function abortedEntry(producerId: bigint, first: number, last: number): Uint8Array {
  const bytes = new Uint8Array(34)
  const view = new DataView(bytes.buffer)
  view.setBigInt64(2, producerId)
  view.setBigInt64(10, BigInt(first))
  view.setBigInt64(18, BigInt(last))
  view.setBigInt64(26, BigInt(last))
  return bytes
}

/** Writes a segment of these batches at these offsets, with indexes as an append would leave them. */
export function writeSegment(
  directory: string,
  base: number,
  batches: readonly { baseOffset: number; bytes: Uint8Array }[],
): void {
  const name = join(directory, String(base).padStart(20, '0'))
  const image = new IndexImage(base, 4096)
  let position = 0
  for (const { baseOffset, bytes } of batches) {
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    view.setBigInt64(0, BigInt(baseOffset))
    view.setInt32(12, 0)
    image.add(position, baseOffset + view.getInt32(23), Number(view.getBigInt64(35)))
    position += bytes.length
  }
  writeFileSync(`${name}.log`, Buffer.concat(batches.map(each => each.bytes)))
  const { index, timeIndex } = image.finish()
  writeFileSync(`${name}.index`, index)
  writeFileSync(`${name}.timeindex`, timeIndex)
}

/** Where a batch of a .log file lies, and its offsets. */
export interface Placed {
  readonly file: string
  readonly position: number
  readonly end: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** The batches of a partition that nobody damaged. */
export function batchesOf(directory: string): Placed[] {
  const placed: Placed[] = []
  for (const name of readdirSync(directory)
    .filter(each => each.endsWith('.log'))
    .sort()) {
    const bytes = readFileSync(join(directory, name))
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (
      let at = 0;
      at + batchHeaderBytes <= bytes.length && view.getInt8(at + 16) === 2;
      at += batchSizeAt(view, at)
    ) {
      const baseOffset = Number(view.getBigInt64(at))
      const lastOffset = baseOffset + view.getInt32(at + 23)
      placed.push({ file: name, position: at, end: at + batchSizeAt(view, at), baseOffset, lastOffset })
    }
  }
  return placed
}

/** All records of a partition, by offset, as the broker's own storage serves them after it opened the directory. */
export async function recordsOf(
  dataDirectory: string,
  partition: string,
  trust: OpenTrust,
): Promise<Map<number, string>> {
  const engine = new Engine()
  const storage = openStorage(engine)
  try {
    const checkpoint = (name: string) => {
      const path = join(dataDirectory, name)
      if (!existsSync(path)) return 0 // A broker that was killed within its first second has written none.
      const entries = parseOffsets(readFileSync(path, 'utf8'))
      assert.ok(entries !== undefined, `${name} is whole`)
      return entries.find(each => `${each.topic}-${each.partition}` === partition)?.offset ?? 0
    }
    const { log } = await storage.openLog(
      join(dataDirectory, partition),
      logSettings,
      trust,
      checkpoint('recovery-point-offset-checkpoint'),
      checkpoint('log-start-offset-checkpoint'),
    )
    const records = new Map<number, string>()
    const end = log.logEndOffset()
    for (let offset = log.logStartOffset(); offset < end; ) {
      const bytes = await log.readBatch(offset, end)
      if (bytes.length === 0) break
      const section =
        batchCodec(bytes, 0) === Codec.none
          ? undefined
          : await decompress(batchCodec(bytes, 0), bytes.subarray(batchHeaderBytes))
      for (const record of readRecords(bytes, 0, section))
        records.set(record.offset, Buffer.from(record.value ?? []).toString('latin1'))
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      offset = Number(view.getBigInt64(0)) + view.getInt32(23) + 1
    }
    await log.close(true)
    return records
  } finally {
    await engine.close()
  }
}

/** In memory where there is such a place: hundreds of copies are made, and each sync would wait for a disk. */
const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** Runs `check` on a copy of a house, which is removed if all is well. */
export async function onCopy(house: string, check: (copy: string) => Promise<void>): Promise<void> {
  const copy = mkdtempSync(join(scratch, 'millrace-log-tool-copy-'))
  cpSync(house, copy, { recursive: true })
  await check(copy)
  rmSync(copy, { recursive: true })
}

export function flip(path: string, position: number, bit: number): void {
  const bytes = readFileSync(path)
  bytes[position]! ^= 1 << bit
  writeFileSync(path, bytes)
}

/** Every file below a directory with its bytes, but for the lock. */
export function treeOf(directory: string): Map<string, string> {
  const tree = new Map<string, string>()
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    const path = join(directory, name)
    if (statSync(path).isFile() && name !== '.lock') tree.set(name, readFileSync(path).toString('base64'))
  }
  return tree
}

export { OpenTrust }
