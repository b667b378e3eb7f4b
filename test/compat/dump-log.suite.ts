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
import { SeededRandom } from '../support/seeded-random.ts'
import { RawProducer } from '../transactions/lib/producer.ts'
import { RealSurroundings } from '../transactions/lib/real-wire.ts'
import { BrokerUnderTest } from './lib/broker.ts'
import { Confluent } from './lib/confluent.ts'
import { dumpLogs, dumpTransactionRecords } from './lib/dump-log.ts'
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

test(
  'DumpLogSegments has no complaint over transactions, and reads what their coordinator wrote',
  writing,
  async () => {
    const transacting = await BrokerUnderTest.start()
    try {
      const topic = 'dump-transactions'
      const confluent = await Confluent.start(transacting.bootstrap)
      await confluent.createTopics({ topic, partitions: 2 })
      await confluent.end()
      const [host, port] = transacting.bootstrap.split(':')
      const at = new RealSurroundings(new SeededRandom(1), { host: host!, port: Number(port) })
      const both = new Map([
        [0, ['a', 'b']],
        [1, ['c']],
      ])
      for (const transactionVersion of [1, 2] as const) {
        const transactionalId = `v${transactionVersion}`
        const producer = new RawProducer(at, { transactionalId, transactionVersion, timeoutMs: 60_000, topic })
        await producer.init()
        await producer.send(both)
        await producer.commitOffsets('dump-group', topic, new Map([[0, 1]]))
        await producer.end(true)
        await producer.send(both)
        await producer.end(false)
        await producer.send(new Map([[0, ['left open']]]))
        producer.kill()
      }
      await transacting.stop()
      const partitions = await partitionDirs(transacting.dataDir!)
      const { complaints } = await dumpLogs(partitions)
      assert.deepEqual(complaints, [])
      const indexes = partitions.filter(({ files }) => files.some(file => file.endsWith('.txnindex')))
      assert.ok(indexes.length >= 2, 'both partitions have aborted transactions')
      const { states, unread } = await dumpTransactionRecords(
        partitions.filter(({ dir }) => basename(dir).startsWith('__transaction_state-')),
      )
      assert.deepEqual(unread, [])
      const [empty, ongoing, commits, aborts, committed, aborted] = [0, 1, 2, 3, 4, 5]
      const ofVersion1 = states.filter(state => state.startsWith('v1 '))
      const ofVersion2 = states.filter(state => state.startsWith('v2 '))
      assert.deepEqual(ofVersion1, [
        `v1 v1 ${empty} @0 [0]`,
        `v1 v1 ${ongoing} @0 [2]`,
        `v1 v1 ${ongoing} @0 [3]`,
        `v1 v1 ${commits} @0 [3]`,
        `v1 v1 ${committed} @0 [0]`,
        `v1 v1 ${ongoing} @0 [2]`,
        `v1 v1 ${aborts} @0 [2]`,
        `v1 v1 ${aborted} @0 [0]`,
        `v1 v1 ${ongoing} @0 [1]`,
      ])
      // Its writes add their partitions themselves.
      assert.deepEqual(
        ofVersion2.filter(state => !state.includes(` ${ongoing} `)),
        [
          `v2 v1 ${empty} @0 [0]`,
          `v2 v1 ${commits} @1 [3]`,
          `v2 v1 ${committed} @1 [0]`,
          `v2 v1 ${aborts} @2 [2]`,
          `v2 v1 ${aborted} @2 [0]`,
        ],
      )
    } finally {
      await transacting.destroy()
    }
  },
)

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
