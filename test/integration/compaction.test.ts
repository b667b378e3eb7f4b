import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { deleteRecords } from '../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { Codec } from '../../src/records/batch-header.ts'
import { codecs } from '../support/compressed-batch.ts'
import { CompactedTopic } from './compacted-topic.ts'

const bounded = { timeout: 120_000 }
const allCodecs = [Codec.none, ...codecs]
const eager = { 'min.cleanable.dirty.ratio': '0.01' }
/** A pass reads this much in a second: it is still running whatever a test does meanwhile. */
const slow = { 'log.cleaner.io.max.bytes.per.second': '200000' }

/** Rounds of batches of every codec over the same keys, and some keys that come once. */
async function writeRounds(topic: CompactedTopic, rounds: number, startMs: number): Promise<void> {
  for (let round = 0; round < rounds; round++)
    for (const codec of allCodecs) {
      const entries = Array.from({ length: 30 }, (_, i): [string, string] => [
        i < 28 ? `key-${(i * 7 + round) % 40}` : `once-${round}-${codec}-${i}`,
        `value-${round}-${codec}-${i}-${'abcdefgh'.repeat(30)}`,
      ])
      await topic.write(entries, { codec, timestampMs: startMs + round * 1_000 + codec * 10 })
    }
}

test(
  'of each key the latest value is left, in batches of every codec, at its own offset and time',
  bounded,
  async t => {
    const topic = await CompactedTopic.make(t, eager)
    const startMs = Date.now() - 3_600_000
    await writeRounds(topic, 12, startMs)
    await topic.seal()
    const sealed = topic.written.length - 1
    const to = await topic.compactedTo(sealed)
    const expected = topic.expected(to)
    assert.ok(expected.length < topic.written.length / 5, `${expected.length} of ${topic.written.length} are left`)
    await topic.assertHolds(expected, 'what is left')
    for (const offset of [1, 7, 100, 777, to - 1, to])
      assert.deepEqual(
        (await topic.read(offset))[0],
        expected.find(record => record.offset >= offset),
        `from ${offset} on, which may be gone`,
      )
    for (const record of expected.filter((_, index) => index % 9 === 0)) {
      const wanted = expected.find(({ timestampMs }) => timestampMs >= record.timestampMs)!
      const { topics } = await topic.client.request(listOffsets, 7, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          { name: 't', partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: record.timestampMs }] },
        ],
      })
      const { errorCode, offset, timestamp } = topics[0]!.partitions[0]!
      assert.deepEqual([errorCode, Number(offset), Number(timestamp)], [0, wanted.offset, wanted.timestampMs])
    }
    assert.equal(topic.stats.uncleanablePartitions, 0)
    await topic.stop()
    await topic.start()
    await topic.assertHolds(expected, 'after a restart')
    await writeRounds(topic, 4, startMs + 100_000)
    await topic.seal('more')
    const again = await topic.compactedTo(topic.written.length - 1)
    await topic.assertHolds(topic.expected(again), 'what was clean is cleaned again')
    assert.deepEqual(topic.log.problems, [])
  },
)

test(
  'an idempotent producer goes on where it was although its records are gone, from the log alone too',
  bounded,
  async t => {
    const topic = await CompactedTopic.make(t, eager)
    const producer = { producerId: 77n, producerEpoch: 3 }
    const first = await topic.write(
      [
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
      ],
      { ...producer, baseSequence: 0 },
    )
    await topic.write(
      [
        ['a', '2'],
        ['b', '2'],
      ],
      { ...producer, baseSequence: 3, codec: Codec.zstd },
    )
    await topic.write([
      ['a', '3'],
      ['b', '3'],
      ['c', '3'],
    ])
    await topic.seal()
    const to = await topic.compactedTo(topic.written.length - 1)
    await topic.assertHolds(topic.expected(to), 'what is left')
    await topic.stop()
    for (const name of await readdir(join(topic.directory, 't-0')))
      if (name.endsWith('.snapshot')) await rm(join(topic.directory, 't-0', name))
    await topic.start()
    const records = [{ key: Buffer.from('a'), value: Buffer.from('4') }]
    const send = (baseSequence: number, more = {}) =>
      topic.send({ timestampMs: Date.now(), records, ...producer, baseSequence, ...more })
    assert.equal((await send(9)).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
    assert.equal((await send(0, { producerEpoch: 2 })).errorCode, ErrorCode.INVALID_PRODUCER_EPOCH)
    const duplicate = await topic.send({
      timestampMs: Date.now(),
      records: [...records, { key: Buffer.from('b'), value: Buffer.from('2') }],
      ...producer,
      baseSequence: 3,
    })
    assert.deepEqual([duplicate.errorCode, duplicate.baseOffset], [0, first + 3], 'its last batch is known again')
    assert.equal((await send(5)).errorCode, ErrorCode.NONE)
  },
)

test(
  'the mark of a deleted key is kept for delete.retention.ms from the first pass on, then it goes',
  bounded,
  async t => {
    const retentionMs = 3_600_000
    const topic = await CompactedTopic.make(t, { ...eager, 'delete.retention.ms': String(retentionMs) })
    for (const codec of allCodecs)
      await topic.write(
        [
          [`gone-${codec}`, 'x'],
          [`kept-${codec}`, 'x'],
        ],
        { codec },
      )
    for (const codec of allCodecs) await topic.write([[`gone-${codec}`, null]], { codec })
    await topic.seal()
    const first = await topic.compactedTo(topic.written.length - 1)
    const marked = topic.expected(first)
    await topic.assertHolds(marked, 'marks stay')
    assert.equal(marked.filter(({ value }) => value === null).length, allCodecs.length)
    topic.clockAheadMs = retentionMs - 60_000
    let line = topic.log.lines.length
    await topic.seal('next')
    const second = await topic.compacted(line)
    await topic.assertHolds(topic.expected(second.to), 'not yet')
    topic.clockAheadMs = retentionMs + 60_000
    line = topic.log.lines.length
    await topic.seal('last')
    const third = await topic.compacted(line)
    await topic.assertHolds(topic.expected(third.to, true), 'now')
  },
)

test('compact,delete loses what is too old as well, and goes on being compacted', bounded, async t => {
  const topic = await CompactedTopic.make(
    t,
    { ...eager, 'cleanup.policy': 'compact,delete', 'retention.ms': '-1' },
    { 'log.retention.check.interval.ms': '20' },
  )
  const timestampMs = Date.now() - 7_200_000
  for (let i = 0; i < 20; i++)
    await topic.write(
      [
        [`old-${i}`, 'v'],
        ['shared', `${i}`],
      ],
      { timestampMs },
    )
  await topic.seal('old', timestampMs)
  const old = await topic.compactedTo(topic.written.length - 1)
  await topic.assertHolds(topic.expected(old), 'what is left')
  await topic.write([['shared', 'last']])
  await topic.seal('young')
  await topic.alter({ 'retention.ms': '3600000' })
  await topic.log.until(({ message, fields }) => message === 'retention moved a log start' && Number(fields.to) >= old)
  const first = await topic.earliest()
  assert.equal(first, old, 'its segment has a young record')
  await topic.seal('younger')
  const to = await topic.compactedTo(topic.written.length - 1)
  const expected = topic.expected(to).filter(({ offset }) => offset >= first)
  await topic.assertHolds(expected, 'what is left', first)
})

test('DeleteRecords while a pass runs ends the pass, and the next one begins at the new start', bounded, async t => {
  const topic = await CompactedTopic.make(t, { ...eager, 'cleanup.policy': 'compact,delete' }, slow)
  await topic.seal()
  await topic.seal()
  await topic.running()
  const trimmed = await topic.client.request(deleteRecords, 2, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 5 }] }],
    timeoutMs: 10_000,
  })
  assert.equal(trimmed.topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
  assert.equal(await topic.earliest(), 5)
  await topic.hurry()
  const to = await topic.compactedTo(topic.written.length - 1)
  await topic.assertHolds(
    topic.expected(to).filter(({ offset }) => offset >= 5),
    'what is left',
    5,
  )
  assert.equal(topic.stats.uncleanablePartitions, 0)
})

test('a topic is deleted while a pass runs, and another of its name is compacted', bounded, async t => {
  const topic = await CompactedTopic.make(t, eager, slow)
  await topic.seal()
  await topic.seal()
  await topic.running()
  const { responses } = await topic.client.request(deleteTopics, 4, { topicNames: ['t'], timeoutMs: 20_000 })
  assert.equal(responses[0]!.errorCode, ErrorCode.NONE)
  assert.equal((await readdir(topic.directory)).includes('t-0'), false)
  topic.written.length = 0
  await topic.create(eager)
  await topic.hurry()
  const line = topic.log.lines.length
  await topic.write([
    ['a', '1'],
    ['a', '2'],
  ])
  await topic.seal()
  const { from, to } = await topic.compacted(line)
  assert.equal(from, 0)
  await topic.assertHolds(topic.expected(to), 'what is left')
  assert.equal(topic.stats.uncleanablePartitions, 0)
})

test('configs that change while a pass runs end it, and the next one works by them', bounded, async t => {
  const topic = await CompactedTopic.make(t, eager, slow)
  await topic.seal()
  await topic.seal()
  await topic.running()
  await topic.alter({ 'cleanup.policy': 'delete' })
  await topic.idle()
  await topic.assertHolds(topic.written, 'nothing is gone')
  await topic.hurry()
  await topic.alter({ 'cleanup.policy': 'compact' })
  const to = await topic.compactedTo(topic.written.length - 1)
  await topic.assertHolds(topic.expected(to), 'what is left')
})

test('a stop does not wait for a pass, and leaves nothing that the next start would mind', bounded, async t => {
  const topic = await CompactedTopic.make(t, eager, slow)
  await topic.seal()
  await topic.seal()
  await topic.running()
  const before = performance.now()
  await topic.stop()
  assert.ok(performance.now() - before < 5_000, 'a pass at this pace takes longer')
  assert.deepEqual(
    (await readdir(join(topic.directory, 't-0'))).filter(name => /clean|swap/.test(name)),
    [],
  )
  await topic.start()
  await topic.assertHolds(topic.written, 'nothing is gone')
  assert.deepEqual(topic.log.problems, [])
})
