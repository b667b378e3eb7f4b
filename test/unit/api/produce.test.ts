import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusCode } from '../../../src/native/status.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { Codec } from '../../../src/records/batch-header.ts'
import { compressed, resealed } from '../../support/compressed-batch.ts'
import { batchOf, produceOne, produceRequest, testBroker } from '../../support/test-broker.ts'

const idempotent = (baseSequence: number, producerEpoch = 0) => ({ producerId: 7n, producerEpoch, baseSequence })

for (const version of [3, 5, 7, 8, 9, 12])
  test(`Produce v${version} appends and answers with the base offset`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const client = broker.connect()
    assert.equal((await produceOne(client, 't', batchOf(['a', 'b']), 1, version)).baseOffset, 0)
    const second = await produceOne(client, 't', batchOf(['c']), -1, version)
    assert.equal(second.errorCode, ErrorCode.NONE)
    assert.equal(second.baseOffset, 2)
    assert.equal(second.logAppendTimeMs, -1)
    if (version >= 5) assert.equal(second.logStartOffset, 0)
  })

test('Produce v13 names topics by id; an unknown id is UNKNOWN_TOPIC_ID, an unknown partition is not', async t => {
  const broker = await testBroker(t)
  const topicId = await broker.createTopic('t')
  const client = broker.connect()
  const partitionData = (index: number) => [{ index, records: batchOf(['a']) }]
  const { responses } = await client.call(produce, 13, {
    acks: 1,
    timeoutMs: 1_000,
    topicData: [
      { topicId, partitionData: partitionData(0) },
      { topicId, partitionData: partitionData(1) },
      { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' as typeof topicId, partitionData: partitionData(0) },
    ],
  })
  assert.deepEqual(
    responses.map(each => [each.topicId, each.partitionResponses[0]!.errorCode]),
    [
      [topicId, ErrorCode.NONE],
      [topicId, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
      ['AAAAAAAAAAAAAAAAAAAAAQ', ErrorCode.UNKNOWN_TOPIC_ID],
    ],
  )
})

test('acks=0 gets no response, and what it wrote is there', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  client.deliver([
    client.encode(produce, 9, produceRequest('t', batchOf(['a']), 0), { silent: true }),
    client.encode(produce, 9, produceRequest('t', batchOf(['b']), 1)),
  ])
  const { body } = await client.receive<typeof produce>()
  assert.equal(body.responses[0]!.partitionResponses[0]!.baseOffset, 1)
  assert.equal(client.unread, 0)
})

test('acks=0 that fails closes the connection', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  client.deliver([client.encode(produce, 9, produceRequest('missing', batchOf(['a']), 0), { silent: true })])
  await broker.world.time.settle()
  assert.equal(client.closed, true)
})

for (const acks of [2, -2])
  test(`acks=${acks} is INVALID_REQUIRED_ACKS and appends nothing`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t')
    const answer = await produceOne(broker.connect(), 't', batchOf(['a']), acks)
    assert.equal(answer.errorCode, ErrorCode.INVALID_REQUIRED_ACKS)
    assert.equal(answer.baseOffset, -1)
    assert.equal(broker.logOf('t').logEndOffset(), 0)
  })

test('acks=all answers only once the batch is durable; acks=1 does not wait for it', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const [waiting, quick] = [broker.connect(), broker.connect()]
  waiting.send(produce, 9, produceRequest('t', batchOf(['a'])))
  assert.equal((await produceOne(quick, 't', batchOf(['b']), 1)).errorCode, ErrorCode.NONE)
  await broker.world.time.settle()
  assert.equal(waiting.unread, 0, 'nothing is durable yet')
  broker.world.storage.flush()
  const { body } = await waiting.receive<typeof produce>()
  assert.equal(body.responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.NONE)
})

test('with write.caching acks=all is answered without a flush', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'write.caching': 'true' })
  broker.world.storage.holdFlushes = true
  assert.equal((await produceOne(broker.connect(), 't', batchOf(['a']))).errorCode, ErrorCode.NONE)
  assert.equal(broker.world.storage.flushesWaiting, 0)
})

test('acks=all that is not committed in time is REQUEST_TIMED_OUT, and goes on to be committed', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const client = broker.connect()
  client.send(produce, 9, produceRequest('t', batchOf(['a']), -1, 500))
  await broker.world.time.advance(499)
  assert.equal(client.unread, 0)
  await broker.world.time.advance(1)
  const { body } = await client.receive<typeof produce>()
  assert.equal(body.responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.REQUEST_TIMED_OUT)
  broker.world.storage.flush()
  assert.equal(broker.logOf('t').durableOffset(), 1)
})

test('responses keep the order of the requests while an acks=all in front waits', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const client = broker.connect()
  client.deliver([
    client.encode(produce, 9, produceRequest('t', batchOf(['a']), -1)),
    client.encode(produce, 9, produceRequest('t', batchOf(['b']), 1)),
  ])
  await broker.world.time.settle()
  assert.equal(broker.logOf('t').logEndOffset(), 2, 'the second request did not wait to be appended')
  assert.equal(client.unread, 0, 'its response did')
  broker.world.storage.flush()
  const first = await client.receive<typeof produce>()
  const second = await client.receive<typeof produce>()
  assert.equal(first.body.responses[0]!.partitionResponses[0]!.baseOffset, 0)
  assert.equal(second.body.responses[0]!.partitionResponses[0]!.baseOffset, 1)
})

test('partitions of one request fail one by one', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 2)
  const damaged = batchOf(['a'])
  damaged[damaged.length - 1]! ^= 1
  const { responses } = await broker.connect().call(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [
      {
        name: 't',
        partitionData: [
          { index: 0, records: damaged },
          { index: 1, records: batchOf(['b']) },
          { index: 2, records: batchOf(['c']) },
          { index: -1, records: batchOf(['d']) },
        ],
      },
    ],
  })
  assert.deepEqual(
    responses[0]!.partitionResponses.map(each => each.errorCode),
    [
      ErrorCode.CORRUPT_MESSAGE,
      ErrorCode.NONE,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ],
  )
})

test('what is no single whole batch gets its code', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'max.message.bytes': '1000' })
  const client = broker.connect()
  const magic1 = batchOf(['a'])
  magic1[16] = 1
  const codec5 = resealed(batchOf(['a'], { attributes: 5 }))
  const control = resealed(batchOf(['a'], { attributes: 0x20 }))
  const cases: [string, Uint8Array | null, ErrorCode][] = [
    ['null', null, ErrorCode.INVALID_RECORD],
    ['nothing', new Uint8Array(), ErrorCode.INVALID_RECORD],
    ['a few bytes', new Uint8Array(10), ErrorCode.CORRUPT_MESSAGE],
    ['magic 1', magic1, ErrorCode.INVALID_RECORD],
    ['two batches', Buffer.concat([batchOf(['a']), batchOf(['b'])]), ErrorCode.INVALID_RECORD],
    ['cut short', batchOf(['a']).subarray(0, -1), ErrorCode.CORRUPT_MESSAGE],
    ['too large', batchOf(['x'.repeat(1_000)]), ErrorCode.MESSAGE_TOO_LARGE],
    ['an unknown codec', codec5, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE],
    ['a control batch', control, ErrorCode.INVALID_RECORD],
  ]
  for (const [what, records, code] of cases)
    assert.equal((await produceOne(client, 't', records)).errorCode, code, what)
  assert.equal(broker.logOf('t').logEndOffset(), 0)
})

test('zstd is refused below v7, whose readers could not unfold it', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const zstd = compressed(batchOf(['a']), Codec.zstd)
  assert.equal((await produceOne(client, 't', zstd, 1, 6)).errorCode, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
  assert.equal((await produceOne(client, 't', zstd, 1, 7)).errorCode, ErrorCode.NONE)
})

test('a compacted topic names the record without a key', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'cleanup.policy': 'compact' })
  const answer = await produceOne(broker.connect(), 't', batchOf(['a']))
  assert.equal(answer.errorCode, ErrorCode.INVALID_RECORD)
  assert.equal(answer.recordErrors[0]?.batchIndex, 0)
})

test('a topic with append time tells when', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'message.timestamp.type': 'LogAppendTime' })
  const answer = await produceOne(broker.connect(), 't', batchOf(['a']))
  assert.equal(answer.logAppendTimeMs, broker.world.clock.wallMs())
})

test('a batch sent again answers with the offset it got the first time, once that is durable', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const [first, again] = [broker.connect(), broker.connect()]
  first.send(produce, 9, produceRequest('t', batchOf(['a', 'b'], idempotent(0))))
  again.send(produce, 9, produceRequest('t', batchOf(['a', 'b'], idempotent(0))))
  await broker.world.time.settle()
  assert.equal(again.unread, 0, 'a duplicate promises no less than its original')
  assert.equal(broker.logOf('t').logEndOffset(), 2)
  broker.world.storage.flush()
  for (const client of [first, again]) {
    const answer = (await client.receive<typeof produce>()).body.responses[0]!.partitionResponses[0]!
    assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.NONE, 0])
  }
})

test('a batch sent again to a topic with append time is told the time of the first', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'message.timestamp.type': 'LogAppendTime' })
  const client = broker.connect()
  const first = await produceOne(client, 't', batchOf(['a'], idempotent(0)))
  await broker.world.time.advance(5_000)
  const again = await produceOne(client, 't', batchOf(['a'], idempotent(0)))
  assert.deepEqual([again.baseOffset, again.logAppendTimeMs], [0, first.logAppendTimeMs])
})

test('a gap in the sequence and an older epoch are refused, and damage counts first', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await produceOne(client, 't', batchOf(['a'], idempotent(0, 1)))
  const gap = batchOf(['b'], idempotent(5, 1))
  assert.equal((await produceOne(client, 't', gap)).errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
  const stale = await produceOne(client, 't', batchOf(['b'], idempotent(1, 0)))
  assert.equal(stale.errorCode, ErrorCode.INVALID_PRODUCER_EPOCH)
  gap[gap.length - 1]! ^= 1
  assert.equal((await produceOne(client, 't', gap)).errorCode, ErrorCode.CORRUPT_MESSAGE)
  assert.equal((await produceOne(client, 't', batchOf(['b'], idempotent(1, 1)))).baseOffset, 1)
})

test('a transactional batch without a transactional id is nobody allowed to write', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const batch = batchOf(['a'], { ...idempotent(0), attributes: 0x10 })
  const { errorCode } = await produceOne(broker.connect(), 't', batch)
  assert.equal(errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
  assert.equal(broker.logOf('t').logEndOffset(), 0)
})

test('acks=all below min.insync.replicas is NOT_ENOUGH_REPLICAS and appends nothing; acks=1 is taken', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'min.insync.replicas': '2' })
  const client = broker.connect()
  assert.equal((await produceOne(client, 't', batchOf(['a']))).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS)
  assert.equal(broker.logOf('t').logEndOffset(), 0)
  assert.equal((await produceOne(client, 't', batchOf(['a']), 1)).errorCode, ErrorCode.NONE)
})

test('a full disk is KAFKA_STORAGE_ERROR, and the partition goes on when there is room again', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  broker.logOf('t').refuseAppends = StatusCode.noSpace
  assert.equal((await produceOne(client, 't', batchOf(['a']))).errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  broker.logOf('t').refuseAppends = StatusCode.ok
  assert.equal((await produceOne(client, 't', batchOf(['a']))).baseOffset, 0)
})

test('a failed sync tells everyone who waits, and takes the partition offline', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const client = broker.connect()
  client.send(produce, 9, produceRequest('t', batchOf(['a'])))
  broker.world.storage.fail('/data/t-0')
  const { body } = await client.receive<typeof produce>()
  assert.equal(body.responses[0]!.partitionResponses[0]!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal((await produceOne(client, 't', batchOf(['b']), 1)).errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  const told = await client.call(metadata, 9, { topics: [{ name: 't' }] })
  assert.equal(told.topics[0]!.partitions[0]!.errorCode, ErrorCode.LEADER_NOT_AVAILABLE)
  assert.deepEqual(told.topics[0]!.partitions[0]!.offlineReplicas, [1])
})

test('a client that hangs up while its acks=all waits leaves nothing behind', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  broker.world.storage.holdFlushes = true
  const timers = broker.world.time.pending
  const client = broker.connect()
  client.send(produce, 9, produceRequest('t', batchOf(['a'])))
  client.hangUp()
  await broker.world.time.settle()
  assert.equal(broker.world.time.pending, timers)
  broker.world.storage.flush()
})
