import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { batchOf, dataDirectory, produceOne, testBroker } from '../../support/test-broker.ts'

async function prepare(t: TestContext, configs: Record<string, string>) {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, configs)
  const { storage } = broker.world
  // The handler is there from now on: what follows takes no more than turns.
  await broker.createTopic('other')
  await broker.during(produceOne(broker.connect(), 'other', batchOf(['a'])))
  storage.holdFlushes = true
  let answered = 0
  const produce = (acks: number, values = ['a']) => {
    const answer = produceOne(broker.connect(), 't', batchOf(values), acks)
    void answer.then(
      () => answered++,
      () => {},
    )
    return answer
  }
  return { broker, storage, produce, answered: () => answered, settle: () => broker.world.time.settle() }
}

for (const writeCaching of ['true', 'false'])
  test(`flush.messages=1 lets acks=1 wait for the disk, with write.caching=${writeCaching}`, async t => {
    const { broker, storage, produce, answered, settle } = await prepare(t, {
      'flush.messages': '1',
      'write.caching': writeCaching,
    })
    const answer = produce(1)
    await settle()
    assert.equal(answered(), 0)
    assert.equal(storage.flushesWaiting, 1)
    storage.flush()
    assert.equal((await broker.during(answer)).errorCode, ErrorCode.NONE)
  })

test('a flush that fails is KAFKA_STORAGE_ERROR to acks=1 under flush.messages=1', async t => {
  const { broker, storage, produce, answered, settle } = await prepare(t, { 'flush.messages': '1' })
  const answer = produce(1)
  await settle()
  assert.equal(answered(), 0)
  storage.fail(`${dataDirectory}/t-0`)
  const told = await broker.during(answer)
  assert.equal(told.errorCode, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal(Number(told.baseOffset), -1)
})

test('flush.messages=3: the append with the third unflushed record waits, and so do those behind it', async t => {
  const { broker, storage, produce, answered, settle } = await prepare(t, {
    'flush.messages': '3',
    'write.caching': 'true',
  })
  await broker.during(produce(1))
  await broker.during(produce(1))
  const third = produce(1)
  const fourth = produce(1, ['b', 'c'])
  await settle()
  assert.equal(answered(), 2)
  storage.flush()
  await broker.during(Promise.all([third, fourth]))
  await broker.during(produce(1))
  assert.equal(answered(), 5, 'one unflushed record waits for nothing')
})

test('with write.caching and flush.messages=1 nothing is committed before it is durable', async t => {
  const { broker, storage, produce, answered, settle } = await prepare(t, {
    'flush.messages': '1',
    'write.caching': 'true',
  })
  const answer = produce(-1)
  await settle()
  assert.equal(answered(), 0)
  storage.flush()
  assert.equal((await broker.during(answer)).errorCode, ErrorCode.NONE)
})

test('acks=0 asks for the flush that flush.messages wants, and answers nothing', async t => {
  const { storage, produce, settle } = await prepare(t, { 'flush.messages': '1', 'write.caching': 'true' })
  void produce(0)
  await settle()
  assert.equal(storage.flushesWaiting, 1)
  storage.flush()
})

test('acks=1 that waits for a flush times out as acks=all does', async t => {
  const { broker, storage, produce, settle } = await prepare(t, { 'flush.messages': '1' })
  const answer = produce(1)
  await settle()
  await broker.world.time.advance(1_000)
  assert.equal((await broker.during(answer)).errorCode, ErrorCode.REQUEST_TIMED_OUT)
  storage.flush()
})
