import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoordinatorError } from '../../../../src/coordinator/runtime/coordinator-error.ts'
import type { ListedTransaction } from '../../../../src/coordinator/transaction/listing.ts'
import {
  TransactionCoordinator,
  type TransactionShards,
} from '../../../../src/coordinator/transaction/transaction-coordinator.ts'
import { ErrorCode, errorName } from '../../../../src/protocol/index.ts'

/** Shards that answer what they are told to, by partition: a list, or the code that they refuse with. */
const shardsOf = (answers: readonly (readonly ListedTransaction[] | ErrorCode)[]): TransactionShards => ({
  partitions: answers.length,
  partitionFor: () => answers.length - 1,
  ask: (partition: number) => {
    const answer = answers[partition] ?? ErrorCode.NOT_COORDINATOR
    return typeof answer === 'number' ? Promise.reject(new CoordinatorError(answer)) : Promise.resolve(answer as never)
  },
})

const all = { states: new Set<string>(), producerIds: new Set<bigint>(), durationMs: -1 }
const one = (transactionalId: string): readonly ListedTransaction[] => [
  { transactionalId, producerId: 1n, transactionState: 'Empty' },
]
const begin = { transactionalId: 'tx', transactionTimeoutMs: 1, producerId: -1n, producerEpoch: -1 }
const init = { ...begin, enable2Pc: false, keepPreparedTxn: false }
const partitions = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
]

test('all shards are listed; one that another broker has counts for nothing, one that loads for a failure', async () => {
  const atHand = () => Promise.resolve()
  const some = new TransactionCoordinator(
    shardsOf([one('a'), ErrorCode.NOT_COORDINATOR, one('c'), [], one('e')]),
    atHand,
  )
  const listed = await some.list(all)
  assert.equal(listed.errorCode, ErrorCode.NONE)
  assert.deepEqual(
    listed.transactions.map(({ transactionalId }) => transactionalId),
    ['a', 'c', 'e'],
  )
  const loading = new TransactionCoordinator(shardsOf([one('a'), ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]), atHand)
  assert.deepEqual(await loading.list(all), { errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, transactions: [] })
})

test('what a shard is refused with is the answer to each request', async () => {
  const coordinator = new TransactionCoordinator(shardsOf([ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]), () =>
    Promise.resolve(),
  )
  const added = await coordinator.verify('tx', 1n, 0, partitions, true)
  const codes = [
    (await coordinator.initProducerId(init)).errorCode,
    ...added,
    (await coordinator.endTxn({ ...init, committed: true }, 5)).errorCode,
    (await coordinator.describe('tx')).errorCode,
  ]
  assert.deepEqual(codes.map(errorName), new Array(5).fill('COORDINATOR_LOAD_IN_PROGRESS'))
})

test('without a producer id nobody begins, and is told to look for the coordinator again', async () => {
  const coordinator = new TransactionCoordinator(shardsOf([[]]), () => Promise.reject(new Error('the disk is full')))
  assert.equal(errorName((await coordinator.initProducerId(init)).errorCode), 'COORDINATOR_NOT_AVAILABLE')
})

test('a cluster in which nobody has begun a transaction has none to describe', async () => {
  const coordinator = new TransactionCoordinator(shardsOf([]), () => Promise.resolve())
  assert.equal(errorName((await coordinator.describe('tx')).errorCode), 'TRANSACTIONAL_ID_NOT_FOUND')
  assert.equal(errorName((await coordinator.describe('')).errorCode), 'INVALID_REQUEST')
  assert.equal(errorName((await coordinator.endTxn({ ...init, committed: true }, 5)).errorCode), 'NOT_COORDINATOR')
})
