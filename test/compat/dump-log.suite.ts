/** Kafka's own dump tool reads the data directory of a stopped broker without a complaint. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import kafkajs from 'kafkajs'
import { Codec } from '../../src/records/batch-header.ts'
import { CompactedTopic } from '../integration/compacted-topic.ts'
import { BrokerUnderTest } from './lib/broker.ts'
import { Confluent } from './lib/confluent.ts'
import { dumpLogs } from './lib/dump-log.ts'
import { installKcat } from './lib/install.ts'
import { type PartitionFiles, partitionDirs, segmentFiles } from './lib/logdir.ts'
import { run } from './lib/process.ts'
import { sampleRecords } from './lib/records.ts'
import { writeText } from './lib/text-file.ts'

const timeout = 120_000
const baseTimestamp = Date.now() - 3_600_000
/** The least that Kafka 4.x takes. */
const segmentBytes = 1_048_576

let broker: BrokerUnderTest
let scratch: string
const sent = new Map<string, number>()

before(async () => {
  broker = await BrokerUnderTest.start()
  scratch = await mkdtemp(join(tmpdir(), 'millrace-dump-'))
})

after(async () => {
  await broker?.destroy()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

const count = (topic: string, records: number): void => {
  sent.set(topic, (sent.get(topic) ?? 0) + records)
}

/** Incompressible values, so that segments fill under every codec; timestamps that go back now and then. */
const bulkRecords = (records: number) =>
  Array.from({ length: records }, (_, i) => ({
    key: Buffer.from(`key-${i}`),
    value: randomBytes(700),
    headers: [['i', Buffer.from(`${i}`)]] as const,
    timestamp: baseTimestamp + i * 10 - (i % 7 === 0 ? 500 : 0),
  }))

/** Every kind of producer writes to its topics. */
const produceAll = async (): Promise<void> => {
  const confluent = await Confluent.start(broker.bootstrap)
  const config = { 'segment.bytes': String(segmentBytes) }
  const topics = ['dump-plain', 'dump-idempotent', 'dump-mixed']
  await confluent.createTopics(...topics.map(topic => ({ topic, partitions: 1, config })))
  const send = async (topic: string, settings: Record<string, string | number | boolean>, records: number) => {
    const producer = await confluent.producer({ acks: 'all', 'linger.ms': 5, 'batch.size': 65_536, ...settings })
    await producer.send(topic, bulkRecords(records))
    await producer.close()
    count(topic, records)
  }
  await send('dump-plain', {}, 6_000)
  await send('dump-idempotent', { 'enable.idempotence': true }, 3_000)
  await send('dump-idempotent', { 'enable.idempotence': true, 'batch.num.messages': 3 }, 500)
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) await send('dump-mixed', { 'compression.type': codec }, 1_200)
  const shapes = await confluent.producer({ 'linger.ms': 20 })
  const records = sampleRecords(200, baseTimestamp)
  await shapes.send('dump-shapes', records)
  count('dump-shapes', records.length)
  await shapes.close()
  await confluent.end()

  const kcat = await installKcat()
  const text = await writeText(join(scratch, 'text.txt'), 3_000_000)
  await run(kcat, ['-b', broker.bootstrap, '-P', '-t', 'dump-kcat', '-z', 'lz4', '-l', text.path], {
    timeoutMs: timeout,
  })
  count('dump-kcat', text.lines)

  const { CompressionTypes, Kafka, logLevel } = kafkajs
  const producer = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING }).producer({ idempotent: true })
  await producer.connect()
  for (let i = 0; i < 20; i++) {
    const messages = Array.from({ length: 50 }, (_, j) => ({ key: `${i}`, value: `message ${i}-${j}`, partition: 0 }))
    await producer.send({ topic: 'dump-kafkajs', compression: CompressionTypes.GZIP, messages })
    count('dump-kafkajs', messages.length)
  }
  await producer.disconnect()
}

const partitionsOfTopics = async (): Promise<PartitionFiles[]> => {
  const all = await partitionDirs(broker.dataDir ?? '')
  return all.filter(({ dir }) => !basename(dir).startsWith('__'))
}

/** The dump is clean and holds every record that was sent. */
const assertClean = async (): Promise<void> => {
  const { complaints, records } = await dumpLogs(await partitionsOfTopics())
  assert.deepEqual(complaints, [])
  const found = new Map<string, number>()
  for (const [file, recordCount] of records) {
    const topic = basename(dirname(file)).replace(/-\d+$/, '')
    found.set(topic, (found.get(topic) ?? 0) + recordCount)
  }
  assert.deepEqual(Object.fromEntries([...found].sort()), Object.fromEntries([...sent].sort()))
}

const writing = { skip: process.env.MILLRACE_COMPAT_BOOTSTRAP !== undefined, timeout }

test('DumpLogSegments has no complaint after a clean stop', writing, async () => {
  await produceAll()
  await broker.stop()
  const partitions = await partitionsOfTopics()
  for (const topic of ['dump-plain', 'dump-idempotent', 'dump-mixed']) {
    const partition = partitions.find(({ dir }) => basename(dir) === `${topic}-0`)
    assert.ok(partition !== undefined, `no directory ${topic}-0`)
    const segments = segmentFiles(partition)
    assert.ok(segments.length > 2, `${topic} has ${segments.length} segments`)
    for (const segment of segments) assert.ok((await stat(segment)).size <= segmentBytes)
  }
  await assertClean()
})

test('DumpLogSegments has no complaint after a kill, a start, more records and a clean stop', writing, async () => {
  await broker.startAgain()
  await produceAll()
  await broker.kill9()
  await broker.startAgain()
  await broker.stop()
  await assertClean()
})

test('DumpLogSegments has no complaint over compacted segments of every codec', writing, async t => {
  const compacting = await BrokerUnderTest.start({ 'log.cleaner.backoff.ms': '20' })
  try {
    if (compacting.kind !== 'millrace') return t.skip('when Kafka has compacted is not known')
    const topic = await CompactedTopic.attached(compacting.dataDir!, compacting)
    await topic.create({ 'min.cleanable.dirty.ratio': '0.01' })
    for (let round = 0; round < 6; round++) {
      for (const codec of Object.values(Codec))
        for (let batch = 0; batch < 8; batch++)
          await topic.write(
            Array.from({ length: 50 }, (_, i) => [
              i < 40 ? `key-${i}` : `once-${round}-${codec}-${batch}-${i}`,
              i === 7 ? null : randomBytes(300).toString('latin1'),
            ]),
            { codec, timestampMs: baseTimestamp + round * 1_000 + batch },
          )
      await topic.seal()
    }
    const sealed = topic.written.length - 1
    await compacting.log!.until(line => {
      const { msg, to } = line.startsWith('{') ? (JSON.parse(line) as { msg?: string; to?: number }) : {}
      return msg === 'compacted' && to! >= sealed
    }, timeout)
    const left = (await topic.read()).length
    assert.ok(left < topic.written.length / 2, `${left} of ${topic.written.length} are left`)
    await compacting.stop()
    const partitions = await partitionDirs(compacting.dataDir!)
    const { complaints, records } = await dumpLogs(
      partitions.filter(({ dir }) => basename(dir) === 't-0'),
      { compacted: true },
    )
    assert.deepEqual(complaints, [])
    assert.equal(
      [...records.values()].reduce((sum, count) => sum + count, 0),
      left,
    )
  } finally {
    await compacting.destroy()
  }
})

/** Each damages a copy of one partition in a way that the check has to notice. */
const damages: { name: string; complaint: RegExp; damage: (dir: string) => Promise<void> }[] = [
  {
    name: 'a flipped bit in a record',
    complaint: /isvalid: false|Exception/,
    damage: dir => flip(dir, '.log', 20_000),
  },
  {
    name: 'a log cut inside a batch',
    complaint: /Found \d+ invalid bytes at the end|Exception/,
    damage: dir => cut(dir, '.log', 7),
  },
  {
    name: 'an offset index entry that points elsewhere',
    complaint: /Mismatches in/,
    damage: dir => flip(dir, '.index', 3),
  },
  {
    name: 'a time index entry of another time',
    complaint: /timestamp mismatch/,
    damage: dir => flip(dir, '.timeindex', 6),
  },
  { name: 'a torn offset index', complaint: /is corrupt|did not pass/, damage: dir => cut(dir, '.index', 3) },
  { name: 'a torn time index', complaint: /is corrupt|did not pass/, damage: dir => cut(dir, '.timeindex', 5) },
  { name: 'a damaged producer snapshot', complaint: /[Ss]napshot/, damage: dir => flip(dir, '.snapshot', 12) },
]

const largestOf = async (dir: string, suffix: string): Promise<string> => {
  const paths = (await readdir(dir)).filter(file => file.endsWith(suffix)).map(file => join(dir, file))
  const sized = await Promise.all(paths.map(async path => ({ path, bytes: (await stat(path)).size })))
  const largest = sized.sort((a, b) => b.bytes - a.bytes)[0]
  if (largest === undefined) throw new Error(`no ${suffix} file in ${dir}`)
  return largest.path
}

const flip = async (dir: string, suffix: string, position: number): Promise<void> => {
  const file = await open(await largestOf(dir, suffix), 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position)
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, position)
  await file.close()
}

const cut = async (dir: string, suffix: string, bytes: number): Promise<void> => {
  const path = await largestOf(dir, suffix)
  await truncate(path, (await stat(path)).size - bytes)
}

for (const { name, complaint, damage } of damages) {
  test(`the check sees ${name}`, writing, async () => {
    const original = (await partitionsOfTopics()).find(({ dir }) => basename(dir) === 'dump-idempotent-0')
    assert.ok(original !== undefined)
    const copy = join(scratch, name.replaceAll(' ', '-'), 'dump-idempotent-0')
    await cp(original.dir, copy, { recursive: true })
    await damage(copy)
    const { complaints } = await dumpLogs([{ dir: copy, files: original.files }])
    assert.match(complaints.join('\n'), complaint)
  })
}
