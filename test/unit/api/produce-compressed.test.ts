import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { batchHeaderBytes, Codec } from '../../../src/records/batch-header.ts'
import { decompress } from '../../../src/records/compression.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import { codecName, codecs, compressed, fold, resealed } from '../../support/compressed-batch.ts'
import { batchOf, produceOne, produceRequest, type TestBroker, testBroker } from '../../support/test-broker.ts'

const idempotent = (baseSequence: number) => ({ producerId: 7n, producerEpoch: 0, baseSequence })
const large = 'a line that is one of many. '.repeat(4_000)
const sectionOf = (batch: Uint8Array) => batch.subarray(batchHeaderBytes)

/** Nothing was appended to `t`. */
const assertEmpty = (broker: TestBroker) => assert.equal(broker.logOf('t').logEndOffset(), 0)

for (const codec of codecs) {
  const name = codecName(codec)

  test(`a ${name} batch, small or large, is appended as it came`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const client = broker.connect()
    // The first finds the library not loaded yet.
    const batches = [['a'], ['b', 'c'], [large], ['d']].map(values => compressed(batchOf(values), codec))
    const offsets = []
    for (const batch of batches) offsets.push((await produceOne(client, 't', batch)).baseOffset)
    assert.deepEqual(offsets, [0, 1, 3, 4])
    const stored = broker.logOf('t').content.batches
    for (const [i, { bytes }] of stored.entries())
      assert.deepEqual(bytes.subarray(21), new Uint8Array(batches[i]!.subarray(21)))
  })

  for (const [size, values] of [
    ['small', ['a', 'b']],
    ['large', [large, 'b']],
  ] as const)
    test(`a ${size} ${name} batch that is wrong inside is INVALID_RECORD`, async t => {
      const broker = await testBroker(t)
      await broker.createTopic('t')
      const client = broker.connect()
      await produceOne(client, 't', compressed(batchOf(['x']), codec), 1)
      const batch = batchOf(values)
      const section = sectionOf(batch)
      const recount = (count: number) => {
        const changed = Buffer.from(batch)
        changed.writeInt32BE(count - 1, 23)
        changed.writeInt32BE(count, 57)
        return changed
      }
      // Behind length (1 or 3 bytes), attributes and timestamp delta.
      const misplaced = Buffer.from(section)
      misplaced[size === 'small' ? 3 : 5]! = 2
      const before = broker.logOf('t').logEndOffset()
      const cases: [string, Uint8Array][] = [
        ['bytes behind the last record', compressed(batch, codec, fold(codec, Buffer.concat([section, Buffer.of(0)])))],
        ['a record cut short', compressed(batch, codec, fold(codec, section.subarray(0, -1)))],
        ['fewer records than it says', compressed(recount(3), codec)],
        ['more records than it says', compressed(recount(1), codec)],
        ['an offset delta that skips', compressed(batch, codec, fold(codec, misplaced))],
        ['no records', compressed(batch, codec, fold(codec, Buffer.alloc(0)))],
        ['a stream cut short', compressed(batch, codec, fold(codec, section).subarray(0, -3))],
        [
          'bytes that are no such stream',
          compressed(batch, codec, Buffer.from('this is no stream of any codec, is it?')),
        ],
        ['nothing at all', compressed(batch, codec, Buffer.alloc(0))],
      ]
      for (const [what, wrong] of cases)
        assert.equal((await produceOne(client, 't', wrong, 1)).errorCode, ErrorCode.INVALID_RECORD, what)
      assert.equal(broker.logOf('t').logEndOffset(), before)
    })

  test(`of a ${name} batch every record without a key is named, on a compacted topic`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 1, { 'cleanup.policy': 'compact' })
    const answer = await produceOne(broker.connect(), 't', compressed(batchOf(['a', large, 'c']), codec))
    assert.equal(answer.errorCode, ErrorCode.INVALID_RECORD)
    assert.deepEqual(
      answer.recordErrors.map(({ batchIndex }) => batchIndex),
      [0, 1, 2],
    )
    assert.match(answer.recordErrors[1]!.batchIndexErrorMessage!, /key/)
    assertEmpty(broker)
  })

  test(`of a ${name} batch the records' own timestamps count, not what its header says of them`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 1, { 'message.timestamp.before.max.ms': '1000' })
    const client = broker.connect()
    const now = broker.world.clock.wallMs()
    const at = (...timestamps: number[]) =>
      batchOf([], { records: timestamps.map(timestampMs => ({ key: null, value: Buffer.from(large), timestampMs })) })
    // A header that claims to be in bounds hides nothing, and one that is out of them, without a record there, is fine.
    const late = Buffer.from(at(now, now - 1_001, now - 2_000, now))
    late.writeBigInt64BE(BigInt(now), 35)
    const answer = await produceOne(client, 't', compressed(late, codec))
    assert.equal(answer.errorCode, ErrorCode.INVALID_TIMESTAMP)
    assert.deepEqual(
      answer.recordErrors.map(({ batchIndex }) => batchIndex),
      [1, 2],
    )
    const wrongMax = Buffer.from(at(now - 5, now - 3))
    wrongMax.writeBigInt64BE(77n, 35)
    assert.equal((await produceOne(client, 't', compressed(wrongMax, codec))).errorCode, ErrorCode.NONE)
    assert.equal(broker.logOf('t').content.batches[0]!.maxTimestamp, now - 3)
  })
}

test('a batch that would unfold to more than it may is MESSAGE_TOO_LARGE, and is not unfolded', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const bomb = compressed(batchOf(['a']), Codec.snappy, Buffer.from([0x80, 0x80, 0x80, 0x80, 0x02, 0, 0]))
  assert.equal((await produceOne(broker.connect(), 't', bomb)).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
})

test('a damaged compressed batch is CORRUPT_MESSAGE, one too large is MESSAGE_TOO_LARGE: neither is unfolded', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'max.message.bytes': '500' })
  const client = broker.connect()
  const damaged = compressed(batchOf(['a']), Codec.gzip)
  damaged[70]! ^= 1
  assert.equal((await produceOne(client, 't', damaged)).errorCode, ErrorCode.CORRUPT_MESSAGE)
  const noise = Array.from({ length: 200 }, (_, i) => crc32c(Buffer.of(i)).toString(36)).join('')
  const wide = compressed(batchOf([noise]), Codec.gzip)
  assert.ok(wide.length > 500)
  assert.equal((await produceOne(client, 't', wide)).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  const unknown = resealed(Buffer.from(batchOf(['a'], { attributes: 6 })))
  assert.equal((await produceOne(client, 't', unknown)).errorCode, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
})

test('requests that are unfolded elsewhere keep the order of their connection, and sequences their meaning', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const batches = [
    compressed(batchOf([large, 'b'], idempotent(0)), Codec.zstd),
    batchOf(['c'], idempotent(2)),
    compressed(batchOf([large], idempotent(3)), Codec.gzip),
    compressed(batchOf(['e'], idempotent(4)), Codec.lz4),
    compressed(batchOf([large, 'b'], idempotent(0)), Codec.zstd),
  ]
  client.deliver(batches.map(batch => client.encode(produce, 9, produceRequest('t', batch))))
  const offsets = []
  for (const _ of batches) {
    const { body } = await client.receive<typeof produce>()
    offsets.push(body.responses[0]!.partitionResponses[0]!.baseOffset)
  }
  assert.deepEqual(offsets, [0, 2, 3, 4, 0], 'the last is the first again')
})

test('partitions of one request, compressed in all ways and not, are each appended and answered', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 40)
  const partitionData = Array.from({ length: 41 }, (_, index) => {
    const batch = batchOf([index % 3 === 0 ? large : `${index}`, 'b'])
    return { index, records: compressed(batch, (index % 5) as Codec) }
  })
  partitionData[7]!.records = compressed(batchOf(['a']), Codec.gzip, Buffer.alloc(30))
  partitionData[8]!.records[70]! ^= 1
  const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData: [{ name: 't', partitionData }] }
  const { responses } = await broker.connect().call(produce, 9, request)
  const codes = responses[0]!.partitionResponses.map(({ errorCode }) => errorCode)
  const expected = partitionData.map(() => ErrorCode.NONE as ErrorCode)
  expected[7] = ErrorCode.INVALID_RECORD
  expected[8] = ErrorCode.CORRUPT_MESSAGE
  expected[40] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  assert.deepEqual(codes, expected)
  for (let index = 0; index < 40; index++)
    assert.equal(broker.logOf('t', index).logEndOffset(), expected[index] === ErrorCode.NONE ? 2 : 0)
})

test('what a client sent before it hung up is appended, though its batches are still unfolded then', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 8)
  const batch = compressed(batchOf([large]), Codec.gzip)
  const partitionData = Array.from({ length: 8 }, (_, index) => ({ index, records: batch }))
  const client = broker.connect()
  client.send(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 't', partitionData }],
  })
  // Behind it, without acks: closing is all that a producer does then.
  client.send(produce, 9, {
    transactionalId: null,
    acks: 0,
    timeoutMs: 1_000,
    topicData: [{ name: 't', partitionData: [{ index: 7, records: batch }] }],
  })
  client.send(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1_000 })
  client.hangUp()
  while (broker.logOf('t', 7).logEndOffset() < 2) {
    await decompress(Codec.gzip, sectionOf(batch))
    await broker.world.time.settle()
  }
  for (let partition = 0; partition < 7; partition++) assert.equal(broker.logOf('t', partition).logEndOffset(), 1)
  assert.equal((await produceOne(broker.connect(), 't', batch)).errorCode, ErrorCode.NONE, 'room was given back')
})
