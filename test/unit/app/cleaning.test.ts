import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { change, changes, operation, resource, set } from '../../support/config-calls.ts'
import type { FakeWorld } from '../../support/fake-world.ts'
import { batchOf, produceOne, TestBroker } from '../../support/test-broker.ts'
import { PlayedThreads } from '../cleaner/support.ts'

const segmentBytes = String(1 << 20)
const compact = { 'cleanup.policy': 'compact', 'segment.bytes': segmentBytes }
const value = Buffer.alloc(600_000, 1)

async function start(t: TestContext, configs: Record<string, string> = {}) {
  const played = new PlayedThreads()
  const prepare = (world: FakeWorld) => {
    world.threads.body = thread => played.body(thread)
  }
  const broker = await TestBroker.start(configs, undefined, 1, prepare)
  t.after(async () => {
    const stopping = broker.broker.stop()
    // Passes that a test left behind are not waited for any longer.
    await broker.world.time.advance(2_000)
    await broker.during(stopping)
  })
  const client = broker.connect()
  /** Each batch fills a segment. */
  const fill = async (topic: string, batches: number) => {
    for (let i = 0; i < batches; i++) {
      const records = [{ key: Buffer.from(`k${i % 3}`), value }]
      const answer = await broker.during(produceOne(client, topic, batchOf([], { records })))
      assert.equal(answer.errorCode, 0)
    }
  }
  return { broker, client, played, fill, time: broker.world.time }
}

test('a compacted topic is cleaned by its own configs and the cleaner’s, and what it did can be asked', async t => {
  const { broker, played, fill, time } = await start(t, { 'log.cleaner.dedupe.buffer.size': String(64 << 20) })
  await broker.createTopic('t', 1, { ...compact, 'delete.retention.ms': '5000', 'max.message.bytes': '2000000' })
  await broker.createTopic('other', 1, { 'segment.bytes': segmentBytes })
  await fill('t', 4)
  await fill('other', 4)
  await time.advance(15_000)
  const pass = played.take()
  const { task } = pass
  assert.equal(pass.name, 't-0')
  assert.deepEqual([task.deleteRetentionMs, task.segmentBytes, task.maxMessageBytes], [5_000, 1 << 20, 2_000_000])
  assert.equal(task.mapBytes, Math.floor((64 << 20) * 0.9))
  assert.equal(broker.broker.cleanerStats().runningPasses, 1)
  pass.done()
  await time.advance(60_000)
  assert.equal(broker.broker.cleanerStats().passes, 1)
  assert.equal(played.next(), undefined, 'a topic that is not compacted is left alone')
})

test('the cleaner’s configs are Kafka’s, and are changed while it runs', async t => {
  const { broker, client, played, fill, time } = await start(t)
  await broker.createTopic('t', 1, compact)
  await fill('t', 4)
  await time.advance(15_000)
  const first = played.take()
  await broker.during(
    set(client, resource.broker, '', {
      'log.cleaner.io.max.bytes.per.second': '1000000',
      'log.cleaner.backoff.ms': '50',
    }),
  )
  assert.equal(first.stopAsked, true)
  first.say({ kind: 'stopped' })
  await time.advance(100)
  const second = played.take()
  assert.equal(second.task.bytesPerSecond, 1_000_000)
  second.done()
  await time.settle()
  const refused = await broker.during(
    change(client, [changes(resource.broker, '1', [['log.cleaner.enable', operation.set, 'false']])]),
  )
  assert.match(refused[0]![1] ?? '', /Cannot update these configs dynamically/)
})

test('log.cleaner.enable=false keeps every record', async t => {
  const { broker, played, fill, time } = await start(t, { 'log.cleaner.enable': 'false' })
  await broker.createTopic('t', 1, compact)
  await fill('t', 4)
  await time.advance(600_000)
  assert.equal(played.next(), undefined)
  assert.equal(broker.broker.cleanerStats().passes, 0)
})

test('a topic becomes compacted, and is no more, while it is served', async t => {
  const { broker, client, played, fill, time } = await start(t)
  await broker.createTopic('t', 1, { 'segment.bytes': segmentBytes })
  await fill('t', 4)
  await time.advance(60_000)
  assert.equal(played.next(), undefined)
  await broker.during(set(client, resource.topic, 't', { 'cleanup.policy': 'compact' }))
  await time.advance(15_000)
  const pass = played.take()
  await broker.during(set(client, resource.topic, 't', { 'cleanup.policy': 'delete' }))
  assert.equal(pass.stopAsked, true)
  pass.say({ kind: 'stopped' })
  await time.advance(60_000)
  assert.equal(played.next(), undefined)
})

test('DeleteTopics and a topic of the same name wait until the pass has let go of the files', async t => {
  const { broker, client, played, fill, time } = await start(t)
  await broker.createTopic('t', 1, compact)
  await fill('t', 4)
  await time.advance(15_000)
  const pass = played.take()
  const request = { topics: [{ name: 't' }], topicNames: ['t'], timeoutMs: 10_000 }
  client.send(deleteTopics, 6, request)
  await time.settle()
  assert.equal(client.unread, 0)
  assert.equal(pass.stopAsked, true)
  pass.say({ kind: 'stopped' })
  await time.settle()
  const { body } = await broker.during(client.receive<typeof deleteTopics>())
  assert.equal(body.responses[0]!.errorCode, 0)
  await broker.createTopic('t', 1, compact)
  await fill('t', 3)
  await time.advance(15_000)
  const next = played.take()
  assert.deepEqual([next.task.firstDirtyOffset, next.task.endOffset], [0, 2])
  next.done()
  await time.settle()
})

test('DeleteRecords on compact,delete ends the pass; retention waits for it and follows', async t => {
  const { broker, client, played, fill, time } = await start(t, { 'log.retention.check.interval.ms': '20000' })
  await broker.createTopic('t', 1, { ...compact, 'cleanup.policy': 'compact,delete', 'retention.bytes': '2000000' })
  await fill('t', 3)
  await time.advance(15_000)
  const first = played.take()
  client.send(deleteRecords, 2, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, offset: 1 }] }],
    timeoutMs: 10_000,
  })
  await time.settle()
  assert.equal(first.stopAsked, true)
  assert.equal(client.unread, 0)
  first.say({ kind: 'stopped' })
  await time.settle()
  const { body } = await broker.during(client.receive<typeof deleteRecords>())
  assert.equal(body.topics[0]!.partitions[0]!.errorCode, 0)
  await fill('t', 6)
  await time.advance(15_000)
  const second = played.take()
  await time.advance(40_000)
  assert.equal(second.stopAsked, false, 'retention comes later')
  const log = broker.logOf('t')
  assert.equal(log.logStartOffset(), 1)
  second.done()
  await time.settle()
  assert.ok(log.logStartOffset() > 1, 'and comes when the pass is done, before there is another')
  assert.ok(log.sizeBytes() < 2_700_000)
})
