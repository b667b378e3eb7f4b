import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TransactionMarker } from '../../../../src/log/transaction-marker.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { attributesAt, BatchAttributes, producerEpochAt, producerIdAt } from '../../../../src/records/batch-header.ts'
import { Asked, commit, RuntimeUnderTest } from './support.ts'

const producer = { producerId: 7n, producerEpoch: 3 }

const marker = (more: Partial<TransactionMarker> = {}): TransactionMarker => ({
  ...producer,
  coordinatorEpoch: 0,
  committed: true,
  transactionVersion: 0,
  ...more,
})

const found =
  (code: ErrorCode = ErrorCode.NONE) =>
  () =>
    Promise.resolve(code)

const setIn = (
  under: RuntimeUnderTest,
  name: string,
  offset: number,
  verify: (() => Promise<ErrorCode>) | undefined = found(),
  as = producer,
) =>
  new Asked(
    under.runtime.askInTransaction<string>(0, as, verify, (_, turn, asker) => {
      turn.append(commit(name, offset))
      turn.answer(asker, `${name}=${offset}`)
    }),
  )

const end = (under: RuntimeUnderTest, more: Partial<TransactionMarker> = {}) =>
  new Asked(under.runtime.endTransaction(0, marker(more)))

/** What the log holds, batch by batch: whose transaction it is part of, and whether it ends one. */
const batches = (under: RuntimeUnderTest): string[] =>
  under.log.content.batches.map(({ bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const attributes = attributesAt(view, 0)
    if ((attributes & BatchAttributes.transactional) === 0) return 'plain'
    const whose = `${producerIdAt(view, 0)}/${producerEpochAt(view, 0)}`
    return (attributes & BatchAttributes.control) === 0 ? whose : `end ${whose}`
  })

test('what a turn writes in a transaction is a batch of its producer, and replayed as such', async () => {
  const under = await RuntimeUnderTest.start()
  const plain = under.set('a', 1)
  const inside = setIn(under, 'b', 2)
  await under.settle()
  const another = setIn(under, 'c', 3, found(), { producerId: 8n, producerEpoch: 0 })
  await under.settle()
  assert.deepEqual([plain.outcome, inside.outcome, another.outcome], ['waits', 'waits', 'waits'])
  await under.flush()
  assert.deepEqual([plain.outcome, inside.outcome, another.outcome], ['a=1', 'b=2', 'c=3'])
  assert.deepEqual(batches(under), ['plain', '7/3', '8/0'])
  assert.deepEqual(
    under.shard.replayed.map(({ topic, from }) => [topic, from.producerId, from.producerEpoch]),
    [
      ['a', -1n, -1],
      ['b', 7n, 3],
      ['c', 8n, 0],
    ],
  )
  const again = await RuntimeUnderTest.start({ machine: under.world.machine })
  again.runtime.loadAll()
  await again.flush()
  assert.deepEqual(
    again.shard.replayed.map(({ topic, from }) => [topic, from.producerId, from.producerEpoch]),
    under.shard.replayed.map(({ topic, from }) => [topic, from.producerId, from.producerEpoch]),
  )
})

test('the end of a transaction is in the log behind what was written before, and answered when it is durable', async () => {
  const under = await RuntimeUnderTest.start()
  setIn(under, 'a', 1)
  await under.settle()
  const plain = under.set('b', 2)
  const ended = end(under)
  const after = under.set('c', 3)
  assert.deepEqual(under.shard.ends, ['7/3 committed'])
  await under.settle()
  assert.equal(ended.outcome, 'waits')
  await under.flush()
  assert.deepEqual([plain.outcome, ended.outcome, after.outcome], ['b=2', '0', 'c=3'])
  assert.deepEqual(batches(under), ['7/3', 'plain', 'end 7/3', 'plain'])
  const again = await RuntimeUnderTest.start({ machine: under.world.machine })
  again.runtime.loadAll()
  await again.flush()
  assert.deepEqual(again.shard.ends, ['7/3 committed'])
})

test('who was refused the end of a transaction holds up nobody who waited behind it', async () => {
  const under = await RuntimeUnderTest.start()
  setIn(under, 'a', 1)
  await under.flush()
  let makeRoom = (): void => {}
  under.room = new Promise(resolve => {
    makeRoom = resolve
  })
  const stale = end(under, { producerEpoch: 2 })
  const read = under.get('a')
  under.room = undefined
  makeRoom()
  await under.settle()
  assert.deepEqual([stale.outcome, read.outcome], ['INVALID_PRODUCER_EPOCH', '1'])
  assert.deepEqual([under.shard.ends, under.shards.length], [[], 1])
})

test('a producer of a stale epoch is refused before its turn: the shard keeps its state', async () => {
  const under = await RuntimeUnderTest.start()
  setIn(under, 'a', 1)
  await under.settle()
  end(under, { producerEpoch: 4 })
  const late = setIn(under, 'b', 2)
  await under.flush()
  assert.equal(late.outcome, 'INVALID_PRODUCER_EPOCH')
  assert.deepEqual([...under.shard.offsets, under.shards.length], [['a', 1], 1])
})

test('a marker that waits for room fences as well', async () => {
  const under = await RuntimeUnderTest.start()
  setIn(under, 'a', 1)
  await under.flush()
  under.room = new Promise(() => {})
  end(under, { producerEpoch: 4 })
  const late = setIn(under, 'b', 2)
  await under.settle()
  assert.equal(late.outcome, 'INVALID_PRODUCER_EPOCH')
})

test('the coordinator of transactions is asked until the transaction has records here', async () => {
  const under = await RuntimeUnderTest.start()
  let asked = 0
  const verify = () => {
    asked++
    return Promise.resolve(ErrorCode.NONE)
  }
  setIn(under, 'a', 1, verify)
  await under.flush()
  setIn(under, 'b', 2, verify)
  await under.flush()
  assert.equal(asked, 1)
  end(under)
  await under.flush()
  setIn(under, 'c', 3, verify)
  await under.flush()
  assert.equal(asked, 2)
  const refused = setIn(under, 'd', 4, found(ErrorCode.TRANSACTION_ABORTABLE), { producerId: 9n, producerEpoch: 0 })
  await under.flush()
  assert.equal(refused.outcome, 'TRANSACTION_ABORTABLE')
  assert.deepEqual([...under.shard.offsets.keys()], ['a', 'b', 'c'])
})

test('row 17: a transaction that ends while its coordinator is asked opens no other', async () => {
  const under = await RuntimeUnderTest.start()
  const answers: ((code: ErrorCode) => void)[] = []
  const late = setIn(under, 'a', 1, () => new Promise(resolve => answers.push(resolve)))
  await under.settle()
  end(under)
  answers[0]!(ErrorCode.NONE)
  await under.flush()
  assert.equal(answers.length, 2, 'it is looked for again')
  answers[1]!(ErrorCode.INVALID_TXN_STATE)
  await under.flush()
  assert.equal(late.outcome, 'INVALID_TXN_STATE')
  assert.deepEqual(batches(under), ['end 7/3'])
})

test('a transaction does not wait for the linger of others', async () => {
  const under = await RuntimeUnderTest.start({ appendLingerMs: 1_000 })
  const lingers = under.set('a', 1)
  const inside = setIn(under, 'b', 2)
  await under.flush()
  assert.deepEqual([lingers.outcome, inside.outcome], ['a=1', 'b=2'])
  under.set('c', 3)
  await under.flush()
  assert.equal(batches(under).length, 2, 'the linger before is over')
})
