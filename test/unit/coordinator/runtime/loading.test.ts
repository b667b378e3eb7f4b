import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { Clock } from '../../../../src/base/world.ts'
import { javaHash, partitionOfKey } from '../../../../src/coordinator/runtime/key-hash.ts'
import { StatusCode } from '../../../../src/native/status.ts'
import { encodeRecordKey, encodeVersioned, Writer } from '../../../../src/protocol/index.ts'
import { offsetCommitRecord } from '../../../../src/protocol/records-schema/offset-commit.ts'
import { BatchAttributes, Codec } from '../../../../src/records/batch-header.ts'
import { crc32c } from '../../../../src/records/crc32c.ts'
import { type BatchInput, buildBatch, type RecordInput } from '../../../../src/records/record-batch.ts'
import { commit, RuntimeUnderTest } from './support.ts'

function encoded(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.written().slice()
}

function recordOf(name: string, offset: number | null, version = 3): RecordInput {
  const { key, value } = commit(name, offset)
  return {
    key: encoded(writer => encodeRecordKey(writer, offsetCommitRecord, key as never)),
    value:
      value === null
        ? null
        : encoded(writer => encodeVersioned(writer, offsetCommitRecord.value, version, value as never)),
  }
}

/** A runtime whose log holds these batches, and none of whose shards was asked for. */
async function withLog(batches: readonly Uint8Array[], options: { clock?: Clock } = {}): Promise<RuntimeUnderTest> {
  const writer = await RuntimeUnderTest.start()
  for (const batch of batches) assert.equal(writer.log.appendBytes(batch, 0, 0), StatusCode.ok)
  writer.log.requestFlush()
  writer.world.storage.flush()
  return await RuntimeUnderTest.start({ machine: writer.world.machine, ...options })
}

const batchOfRecords = (records: readonly RecordInput[], more: Partial<BatchInput> = {}): Uint8Array =>
  buildBatch({ records, timestampMs: 1, ...more })

async function loaded(under: RuntimeUnderTest): Promise<Map<string, number>> {
  under.runtime.loadAll()
  await under.flush()
  assert.ok(under.shard.isLoaded)
  return under.shard.offsets
}

test('requests are told to come back while a shard is loaded', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  const early = under.get('a')
  await under.flush()
  const late = under.get('a')
  await under.settle()
  assert.deepEqual([early.outcome, late.outcome], ['COORDINATOR_LOAD_IN_PROGRESS', '1'])
  assert.equal(under.world.storage.regionsHeld, 0)
})

test('the last of the records of a key counts, and a tombstone ends it', async () => {
  const under = await withLog([
    batchOfRecords([recordOf('a', 1), recordOf('b', 1), recordOf('a', 2)]),
    batchOfRecords([recordOf('b', null), recordOf('c', 3, 1)]),
  ])
  assert.deepEqual(
    [...(await loaded(under))],
    [
      ['a', 2],
      ['c', 3],
    ],
  )
  assert.deepEqual(
    under.shard.replayed.map(({ from }) => from.offset),
    [0, 1, 2, 3, 4],
  )
})

test('a log of many pieces is loaded whole', async () => {
  const batches = Array.from({ length: 4_000 }, (_, index) =>
    batchOfRecords([recordOf(`topic-${index}`, index), recordOf('x'.repeat(60), index)]),
  )
  const offsets = await loaded(await withLog(batches))
  assert.equal(offsets.size, 4_001)
  assert.equal(offsets.get('x'.repeat(60)), 3_999)
})

test('a log that is compacted while it is loaded is loaded as it is then', async () => {
  const batches = Array.from({ length: 4_000 }, (_, index) => batchOfRecords([recordOf(`topic-${index % 10}`, index)]))
  const under = await withLog(batches)
  const { storage } = under.world
  storage.holdDisk = true
  under.runtime.loadAll()
  await under.settle()
  storage.turnDisk()
  await under.settle()
  assert.ok(under.shard.offsets.size > 0 && !under.shard.isLoaded, 'a piece of it is there')
  const { content } = under.log
  content.batches = content.batches.filter(({ baseOffset }) => baseOffset >= 3_990)
  storage.holdDisk = false
  storage.turnDisk()
  await under.flush()
  assert.ok(under.shard.isLoaded)
  assert.deepEqual(
    [...under.shard.offsets].sort(),
    Array.from({ length: 10 }, (_, index) => [`topic-${index}`, 3_990 + index]),
  )
  assert.ok(under.shard.replayed.length < 4_000, 'what was gone was not read')
  assert.equal(storage.regionsHeld, 0)
})

test('a log whose segments change under a read is read again there', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  const { log } = under
  const readCold = log.readCold.bind(log)
  let changes = 3
  log.readCold = async (...read) =>
    changes-- > 0 ? { status: StatusCode.wouldBlock, region: 0, length: 0, end: 0 } : await readCold(...read)
  assert.deepEqual([...(await loaded(under))], [['a', 1]])
  assert.ok(under.logger.lines.every(({ level }) => level !== 'error'))
})

test('nothing is missed, and nothing waited for, where compaction left nothing', async () => {
  const batches = Array.from({ length: 30 }, (_, index) => batchOfRecords([recordOf(`topic-${index}`, index)]))
  const under = await withLog(batches)
  const { log } = under
  // Of many segments in the middle nothing is left, and of the end neither.
  log.content.batches = log.content.batches.filter(({ baseOffset }) => baseOffset < 5 || baseOffset === 20)
  const readCold = log.readCold.bind(log)
  log.readCold = async (from, ...read) =>
    from > 4 && from < 20 ? { status: StatusCode.ok, region: 0, length: 0, end: 0 } : await readCold(from, ...read)
  const limited = log.readCold
  log.readCold = async (from, bytes, end, whole) => await limited(from, bytes, from < 5 ? 5 : end, whole)
  assert.deepEqual([...(await loaded(under)).values()], [0, 1, 2, 3, 4, 20])
  assert.ok(under.logger.lines.every(({ level }) => level !== 'error'))
})

test('loading goes in slices, between which other work gets its turn', async () => {
  let reads = 0
  const clock: Clock = { wallMs: () => 0, monotonicMs: () => ++reads * 0.2 }
  const records = Array.from({ length: 10_000 }, (_, index) => recordOf(`topic-${index % 100}`, index))
  const under = await withLog([batchOfRecords(records)], { clock })
  let turns = 0
  const other = (): void => {
    turns++
    if (!under.shard?.isLoaded) under.world.timers.after(1, other)
  }
  under.runtime.loadAll()
  other()
  await under.flush()
  await under.world.time.advance(1_000)
  assert.ok(under.shard.isLoaded)
  assert.ok(turns > 50, `${turns} turns of others`)
})

test('a shard that is asked for is loaded before those that nobody has asked for', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  assert.equal(under.get('a').outcome, 'waits')
  await under.settle()
  assert.ok(under.shard.isLoaded)
})

test('compressed batches are unfolded', async () => {
  const plain = batchOfRecords([recordOf('a', 1), recordOf('b', 2)])
  const folded = gzipSync(plain.subarray(61))
  const batch = new Uint8Array(61 + folded.length)
  batch.set(plain.subarray(0, 61))
  batch.set(folded, 61)
  const view = new DataView(batch.buffer)
  view.setInt32(8, batch.length - 12)
  view.setInt16(21, Codec.gzip)
  view.setUint32(17, crc32c(batch.subarray(21)))
  const under = await withLog([batchOfRecords([recordOf('c', 3)])])
  under.log.content.batches.push({ bytes: batch, baseOffset: 1, lastOffset: 2, maxTimestamp: 1 })
  view.setBigInt64(0, 1n)
  under.log.content.endOffset = under.log.content.durableOffset = 3
  under.runtime.loadAll()
  // Unfolding takes a thread of Node's pool.
  for (const until = Date.now() + 10_000; !under.shard?.isLoaded && Date.now() < until; ) await under.settle()
  assert.deepEqual([...under.shard.offsets.keys()], ['c', 'a', 'b'])
})

test('records of types that are not known are skipped, and said once', async () => {
  const unknown: RecordInput = { key: Uint8Array.of(0, 99, 1, 2), value: Uint8Array.of(0, 0) }
  const under = await withLog([batchOfRecords([recordOf('a', 1), unknown, unknown, recordOf('b', 2)])])
  assert.deepEqual([...(await loaded(under)).keys()], ['a', 'b'])
  assert.equal(under.logger.lines.filter(({ fields }) => fields.type === 99).length, 1)
})

test('records of a transaction are replayed as such, and so is its end', async () => {
  const transaction = { producerId: 7n, producerEpoch: 2, baseSequence: 0, attributes: BatchAttributes.transactional }
  const end = (type: number): Uint8Array =>
    batchOfRecords([{ key: Uint8Array.of(0, 0, 0, type), value: new Uint8Array(6) }], {
      ...transaction,
      baseSequence: -1,
      attributes: BatchAttributes.transactional | BatchAttributes.control,
    })
  const under = await withLog([
    batchOfRecords([recordOf('a', 1)], transaction),
    end(1),
    batchOfRecords([recordOf('b', 2)], { ...transaction, baseSequence: 1 }),
    end(0),
    batchOfRecords([recordOf('c', 3)]),
  ])
  await loaded(under)
  assert.deepEqual(under.shard.ends, ['7/2 committed', '7/2 aborted'])
  assert.deepEqual(
    under.shard.replayed.map(({ topic, from }) => [topic, from.producerId, from.producerEpoch]),
    [
      ['a', 7n, 2],
      ['b', 7n, 2],
      ['c', -1n, -1],
    ],
  )
})

for (const [what, record] of [
  ['a value of a version that is not known', { ...recordOf('a', 1), value: Uint8Array.of(0, 99) }],
  ['a value that ends too early', { ...recordOf('a', 1), value: recordOf('a', 1).value!.subarray(0, 9) }],
  ['a key that ends too early', { ...recordOf('a', 1), key: recordOf('a', 1).key!.subarray(0, 4) }],
] as const)
  test(`${what} keeps a shard from being served, loudly, and not for ever`, async () => {
    const under = await withLog([batchOfRecords([record])])
    under.runtime.loadAll()
    await under.settle()
    assert.ok(under.logger.lines.some(({ level, message }) => level === 'error' && message.includes('loaded')))
    const asked = under.get('a')
    await under.settle()
    assert.equal(asked.outcome, 'COORDINATOR_LOAD_IN_PROGRESS')
    await under.world.time.advance(60_000)
    const errors = under.logger.lines.filter(({ level }) => level === 'error').length
    assert.ok(errors > 3 && errors < 15, `${errors} attempts in a minute`)
    assert.equal(under.world.storage.regionsHeld, 0)
  })

test('a flipped bit keeps a shard from being served', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  under.log.content.batches[0]!.bytes[80]! ^= 1
  under.runtime.loadAll()
  await under.settle()
  assert.ok(under.logger.has('the checksum of a batch does not match'))
})

test('a log that cannot be read is tried again', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  under.log.coldStatus = StatusCode.ioError
  under.runtime.loadAll()
  await under.settle()
  under.log.coldStatus = undefined
  await under.world.time.advance(1_000)
  const asked = under.get('a')
  await under.flush()
  assert.equal(asked.outcome, '1')
})

test('a stop while a shard is loaded ends that', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  under.world.storage.holdDisk = true
  under.runtime.loadAll()
  await under.settle()
  under.runtime.stop()
  under.world.storage.turnDisk()
  await under.settle()
  assert.equal(under.shard.isLoaded, false)
  assert.deepEqual([under.world.storage.regionsHeld, under.world.time.pending], [0, 0])
})

test('a partition that goes offline while its shard is loaded ends that, and the next one is loaded afresh', async () => {
  const under = await withLog([batchOfRecords([recordOf('a', 1)])])
  under.world.storage.holdDisk = true
  under.runtime.loadAll()
  await under.settle()
  under.world.storage.fail('/__consumer_offsets-0')
  under.world.storage.turnDisk()
  await under.settle()
  const asked = under.get('a')
  await under.settle()
  assert.equal(asked.outcome, 'NOT_COORDINATOR')
})

test('keys go to the partitions that Kafka has them in', () => {
  // Of Java's String.hashCode.
  assert.equal(javaHash(''), 0)
  assert.equal(javaHash('hello'), 99_162_322)
  assert.equal(javaHash('Aa'), javaHash('BB'))
  assert.equal(javaHash('polygenelubricants'), -2_147_483_648)
  assert.equal(partitionOfKey('polygenelubricants', 50), 0)
  assert.equal(javaHash('\u00e9\u20ac'), 233 * 31 + 0x20ac)
  assert.equal(javaHash('группа-😀'), 105_379_574)
  assert.equal(partitionOfKey('группа-😀', 50), 24)
  assert.equal(partitionOfKey('console-consumer-1', 50), Math.abs(javaHash('console-consumer-1')) % 50)
})
