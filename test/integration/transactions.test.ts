import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOfKey } from '../../src/coordinator/runtime/key-hash.ts'
import { StatusCode } from '../../src/native/status.ts'
import {
  ErrorCode,
  encodeRecordKey,
  encodeVersioned,
  errorName,
  type RequestInput,
  Writer,
} from '../../src/protocol/index.ts'
import { transactionLogRecord } from '../../src/protocol/records-schema/transaction-log.ts'
import { apiVersions } from '../../src/protocol/schema/api-versions.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { describeProducers } from '../../src/protocol/schema/describe-producers.ts'
import { describeTransactions } from '../../src/protocol/schema/describe-transactions.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { listTransactions } from '../../src/protocol/schema/list-transactions.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { updateFeatures } from '../../src/protocol/schema/update-features.ts'
import { writeTxnMarkers } from '../../src/protocol/schema/write-txn-markers.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { TestBroker, testBroker } from '../support/test-broker.ts'
import type { TestClient } from '../support/test-client.ts'
import { readValues, TransactionalClient, v1, v2 } from '../support/transactional-client.ts'

const names = (codes: readonly ErrorCode[]) => codes.map(errorName)
const few = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' }

async function brokerWith(t: Parameters<typeof testBroker>[0], topics: Record<string, number>, configs = {}) {
  const broker = await testBroker(t, { ...few, ...configs })
  for (const [name, partitions] of Object.entries(topics)) await broker.createTopic(name, partitions)
  return broker
}

async function findGroup(client: TestClient, groupId: string): Promise<void> {
  await client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] })
}

/** The offset that a group has committed for t-0, or the code that its members are told. */
async function committedOffset(client: TestClient, groupId: string, requireStable: boolean) {
  const { groups } = await client.call(offsetFetch, 9, {
    groups: [{ groupId, memberId: null, memberEpoch: -1, topics: [{ name: 't', partitionIndexes: [0] }] }],
    requireStable,
  })
  const { errorCode, committedOffset: offset } = groups[0]!.topics[0]!.partitions[0]!
  return errorCode === ErrorCode.NONE ? offset : errorName(errorCode)
}

/** By id; states that are not known behind a question mark, a failure behind an exclamation mark. */
async function listed(client: TestClient, filters: Partial<RequestInput<typeof listTransactions>> = {}) {
  const request = {
    stateFilters: [],
    producerIdFilters: [],
    durationFilter: -1,
    transactionalIdPattern: null,
    ...filters,
  }
  const { errorCode, transactionStates, unknownStateFilters } = await client.call(listTransactions, 2, request)
  if (errorCode !== ErrorCode.NONE) return [`! ${errorName(errorCode)}`]
  const states = transactionStates.map(
    ({ transactionalId, transactionState }) => `${transactionalId} ${transactionState}`,
  )
  return [...states.sort(), ...unknownStateFilters.map(state => `? ${state}`)]
}

const findTransaction = ({ client, transactionalId }: TransactionalClient) =>
  client.call(findCoordinator, 4, { keyType: 1, coordinatorKeys: [transactionalId] })

/** What the coordinator keeps of a transactional id without a transaction. */
function stateRecord(transactionalId: string, producerId: bigint, producerEpoch: number) {
  const [key, value] = [new Writer(), new Writer()]
  encodeRecordKey(key, transactionLogRecord, { transactionalId } as never)
  const state = {
    producerId,
    previousProducerId: producerId,
    nextProducerId: -1n,
    producerEpoch,
    nextProducerEpoch: -1,
    transactionTimeoutMs: 60_000,
    transactionStatus: 0,
    transactionPartitions: null,
    transactionLastUpdateTimestampMs: 1,
    transactionStartTimestampMs: -1,
    clientTransactionVersion: 2,
  }
  encodeVersioned(value, transactionLogRecord.value, 1, state as never)
  return { key: key.written().slice(), value: value.written().slice() }
}

const settled = (broker: TestBroker) => broker.world.time.settle()

for (const [protocol, versions] of [
  ['v1', v1],
  ['v2', v2],
] as const) {
  test(`a transaction over partitions and offsets is seen whole or not at all, in protocol ${protocol}`, async t => {
    const broker = await brokerWith(t, { t: 2 })
    const reader = broker.connect()
    await findGroup(reader, 'g')
    const producer = await new TransactionalClient(broker, 'tx', versions).begin()
    for (const committed of [true, false]) {
      const name = committed ? 'kept' : 'dropped'
      if (versions === v1) {
        const added = await producer.add(['t', 0], ['t', 1])
        assert.deepEqual(names(added), ['NONE', 'NONE'])
      }
      assert.equal(errorName(await producer.write('t', 0, `${name} 1`, `${name} 2`)), 'NONE')
      assert.equal(errorName(await producer.write('t', 1, `${name} 3`)), 'NONE')
      if (versions === v1) assert.equal(errorName(await producer.addOffsets('g')), 'NONE')
      assert.equal(errorName(await producer.commitOffset('g', 't', 0, committed ? 7 : 9)), 'NONE')
      const before = committed
        ? { zero: [], one: [], offset: -1 }
        : { zero: ['kept 1', 'kept 2'], one: ['kept 3'], offset: 7 }
      assert.deepEqual((await readValues(reader, 't', 0)).values, before.zero)
      assert.deepEqual((await readValues(reader, 't', 1)).values, before.one)
      assert.equal(await committedOffset(reader, 'g', false), before.offset)
      // Row 23: who wants what is stable is told to wait.
      assert.equal(await committedOffset(reader, 'g', true), 'UNSTABLE_OFFSET_COMMIT')
      assert.equal(errorName(await producer.end(committed)), 'NONE')
      await settled(broker)
      assert.deepEqual((await readValues(reader, 't', 0)).values, ['kept 1', 'kept 2'])
      assert.deepEqual((await readValues(reader, 't', 1)).values, ['kept 3'])
      assert.equal(await committedOffset(reader, 'g', true), 7)
    }
    assert.deepEqual((await readValues(reader, 't', 0, false)).values, ['kept 1', 'kept 2', 'dropped 1', 'dropped 2'])
    const { highWatermark, lastStableOffset } = await readValues(reader, 't', 1)
    assert.deepEqual([highWatermark, lastStableOffset], [4, 4])
  })
}

test('row 14: who asks for its epoch again because the answer was lost is given the same', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const producer = await new TransactionalClient(broker, 'tx').begin()
  const { producerId, producerEpoch } = producer
  assert.equal(errorName(await producer.init({ producerId, producerEpoch })), 'NONE')
  assert.equal(producer.producerEpoch, producerEpoch + 1)
  // The first answer did not arrive: the client still has the epoch from before.
  assert.equal(errorName(await producer.init({ producerId, producerEpoch })), 'NONE')
  assert.equal(producer.producerEpoch, producerEpoch + 1)
})

for (const [protocol, versions] of [
  ['v1', v1],
  ['v2', v2],
] as const)
  test(`row 15: a second producer of an id ends what the first left open and fences it, in protocol ${protocol}`, async t => {
    const broker = await brokerWith(t, { t: 1 })
    const reader = broker.connect()
    await findGroup(reader, 'g')
    const zombie = await new TransactionalClient(broker, 'tx', versions).begin()
    const write = async (producer: TransactionalClient, value: string) => {
      if (versions === v1) await producer.add(['t', 0])
      return errorName(await producer.write('t', 0, value))
    }
    assert.equal(await write(zombie, 'left open'), 'NONE')
    const successor = await new TransactionalClient(broker, 'tx', versions).begin()
    await settled(broker)
    assert.equal((await readValues(reader, 't', 0)).lastStableOffset, 2, 'the abort marker is in')
    assert.equal(errorName(await zombie.write('t', 0, 'late')), 'INVALID_PRODUCER_EPOCH')
    assert.equal(errorName((await zombie.add(['t', 0]))[0]!), 'PRODUCER_FENCED')
    assert.equal(errorName(await zombie.addOffsets('g')), 'PRODUCER_FENCED')
    assert.equal(errorName(await zombie.commitOffset('g', 't', 0, 1)), 'INVALID_PRODUCER_EPOCH')
    assert.equal(errorName(await zombie.end(true)), 'PRODUCER_FENCED')
    const { producerId, producerEpoch } = zombie
    assert.equal(errorName(await zombie.init({ producerId, producerEpoch })), 'PRODUCER_FENCED')
    assert.equal(await write(successor, 'new'), 'NONE')
    assert.equal(errorName(await successor.end(true)), 'NONE')
    await settled(broker)
    assert.deepEqual((await readValues(reader, 't', 0)).values, ['new'])
  })

test('clients of old versions are told of fencing with the code that they know', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const old = { init: 3, add: 1, addOffsets: 1, produce: 8, offsets: 1, end: 1 }
  await findGroup(broker.connect(), 'g')
  const zombie = await new TransactionalClient(broker, 'tx', old).begin()
  await new TransactionalClient(broker, 'tx').begin()
  const { producerId, producerEpoch } = zombie
  const told = [
    ...(await zombie.add(['t', 0])),
    await zombie.addOffsets('g'),
    await zombie.commitOffset('g', 't', 0, 1),
    await zombie.end(true),
    await zombie.init({ producerId, producerEpoch }),
  ]
  assert.deepEqual(names(told), new Array(5).fill('INVALID_PRODUCER_EPOCH'))
})

test('row 16: a producer whose epochs have run out goes on with a new id, and its last end may be asked for again', async () => {
  const first = await TestBroker.start(few)
  await first.createTopic('t')
  const { producerId } = await new TransactionalClient(first, 'tx').begin()
  const record = buildBatch({ timestampMs: 1, records: [stateRecord('tx', producerId, 32_765)] })
  assert.equal(first.logOf('__transaction_state', partitionOfKey('tx', 3)).appendBytes(record, 0, 0), StatusCode.ok)
  first.world.machine.killProcess()
  const broker = await TestBroker.start(few, first.world.machine, 2)
  const reader = broker.connect()
  const producer = await new TransactionalClient(broker, 'tx').begin()
  assert.deepEqual([producer.producerId, producer.producerEpoch], [producerId, 32_766])
  assert.equal(errorName(await producer.write('t', 0, 'last of its id')), 'NONE')
  assert.equal(errorName(await producer.end(true)), 'NONE')
  assert.notEqual(producer.producerId, producerId)
  assert.equal(producer.producerEpoch, 0)
  const again = new TransactionalClient(broker, 'tx')
  again.producerId = producerId
  again.producerEpoch = 32_766
  assert.equal(errorName(await again.end(true)), 'NONE')
  assert.deepEqual([again.producerId, again.producerEpoch], [producer.producerId, 0])
  assert.equal(errorName(await producer.write('t', 0, 'first of the next')), 'NONE')
  assert.equal(errorName(await producer.end(true)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['last of its id', 'first of the next'])
  await broker.stop()
})

test('row 17: what comes late from a transaction that ended has no part in the next', async t => {
  const broker = await brokerWith(t, { t: 2 })
  const reader = broker.connect()
  const producer = await new TransactionalClient(broker, 'tx').begin()
  const late = new TransactionalClient(broker, 'tx')
  Object.assign(late, { producerId: producer.producerId, producerEpoch: producer.producerEpoch })
  assert.equal(errorName(await producer.write('t', 0, 'one')), 'NONE')
  assert.equal(errorName(await producer.end(true)), 'NONE')
  assert.equal(errorName(await producer.write('t', 0, 'two')), 'NONE')
  assert.equal(errorName(await late.write('t', 0, 'late')), 'INVALID_PRODUCER_EPOCH')
  assert.equal(errorName(await late.write('t', 1, 'late')), 'INVALID_PRODUCER_EPOCH')
  assert.equal(errorName(await late.end(true)), 'PRODUCER_FENCED')
  assert.equal(errorName(await producer.end(false)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['one'])
  assert.deepEqual((await readValues(reader, 't', 1, false)).values, [])
})

test('row 18: a write to a partition that was not added is refused, and so are offsets', async t => {
  const broker = await brokerWith(t, { t: 2 })
  await findGroup(broker.connect(), 'g')
  for (const [produceVersion, offsetsVersion, code] of [
    [10, 3, 'INVALID_TXN_STATE'],
    [11, 4, 'TRANSACTION_ABORTABLE'],
  ] as const) {
    const versions = { ...v1, produce: produceVersion, offsets: offsetsVersion }
    const producer = await new TransactionalClient(broker, `tx-${code}`, versions).begin()
    assert.equal(errorName(await producer.write('t', 0, 'early')), code)
    assert.deepEqual(names(await producer.add(['t', 0])), ['NONE'])
    assert.equal(errorName(await producer.write('t', 0, 'in')), 'NONE')
    assert.equal(errorName(await producer.write('t', 1, 'elsewhere')), code)
    assert.equal(errorName(await producer.commitOffset('g', 't', 0, 1)), code)
    assert.equal(errorName(await producer.end(false)), 'NONE')
  }
  await settled(broker)
  const { highWatermark, lastStableOffset } = await readValues(broker.connect(), 't', 1)
  assert.deepEqual([highWatermark, lastStableOffset], [0, 0])
})

test('whether partitions are verified may be changed while the broker runs', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const producer = await new TransactionalClient(broker, 'tx', v1).begin()
  assert.equal(errorName(await producer.write('t', 0, 'a')), 'TRANSACTION_ABORTABLE')
  const { responses } = await broker.connect().call(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 4,
        resourceName: '',
        configs: [{ name: 'transaction.partition.verification.enable', configOperation: 0, value: 'false' }],
      },
    ],
    validateOnly: false,
  })
  assert.equal(errorName(responses[0]!.errorCode), 'NONE')
  assert.equal(errorName(await producer.write('t', 0, 'a')), 'NONE')
})

/** Of `transaction.version`; returns what clients are told of it. */
async function setLevel(client: TestClient, maxVersionLevel: number): Promise<number> {
  const safeDowngrade = 2
  const upgradeType = maxVersionLevel < 2 ? safeDowngrade : 1
  const featureUpdates = [{ feature: 'transaction.version', maxVersionLevel, upgradeType }]
  const { errorCode } = await client.call(updateFeatures, 1, { featureUpdates, validateOnly: false })
  assert.equal(errorName(errorCode), 'NONE')
  const { finalizedFeatures } = await client.call(apiVersions, 3, {
    clientSoftwareName: 'a',
    clientSoftwareVersion: '1',
  })
  return finalizedFeatures.find(({ name }) => name === 'transaction.version')?.maxVersionLevel ?? 0
}

test('row 19: who adds partitions follows the cluster, live', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const client = broker.connect()
  const producer = await new TransactionalClient(broker, 'tx').begin()
  assert.equal(errorName(await producer.write('t', 0, 'added by itself')), 'NONE')
  assert.equal(errorName(await producer.end(true)), 'NONE')
  assert.equal(await setLevel(client, 1), 1)
  const explicit = await new TransactionalClient(broker, 'tx', { ...v1, produce: 12 }).begin()
  assert.equal(errorName(await explicit.write('t', 0, 'not added')), 'TRANSACTION_ABORTABLE')
  assert.deepEqual(names(await explicit.add(['t', 0])), ['NONE'])
  assert.equal(errorName(await explicit.write('t', 0, 'added')), 'NONE')
  const before = explicit.producerEpoch
  assert.equal(errorName(await explicit.end(true)), 'NONE')
  assert.equal(explicit.producerEpoch, before)
  assert.equal(await setLevel(client, 2), 2)
  const last = await new TransactionalClient(broker, 'tx').begin()
  assert.equal(errorName(await last.write('t', 0, 'by itself again')), 'NONE')
  assert.equal(errorName(await last.end(true)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(client, 't', 0)).values, ['added by itself', 'added', 'by itself again'])
})

test('row 19: what is open while the level changes, and changes back, ends as it was meant', async t => {
  const broker = await brokerWith(t, { t: 2 })
  const client = broker.connect()
  const always1 = await new TransactionalClient(broker, 'of old', v1).begin()
  const follows = await new TransactionalClient(broker, 'of now').begin()
  const committed: string[][] = [[], []]
  let level = 2
  for (const [round, next] of [1, 2, 1, 2].entries()) {
    follows.versions = level === 2 ? v2 : { ...v1, produce: 12 }
    const write = async (producer: TransactionalClient, partition: number, word: string) => {
      const value = `${producer.transactionalId} ${round} ${word}`
      assert.equal(errorName(await producer.write('t', partition, value)), 'NONE', `${value} at level ${level}`)
      if (round % 4 !== 3) committed[partition]!.push(value)
    }
    for (const producer of [always1, follows]) {
      if (producer === always1 || level === 1)
        assert.deepEqual(names(await producer.add(['t', 0], ['t', 1])), ['NONE', 'NONE'])
      await write(producer, 0, 'before')
    }
    level = await setLevel(client, next)
    assert.equal(level, next)
    await write(always1, 0, 'after')
    await write(follows, 0, 'after')
    await write(always1, 1, 'elsewhere')
    // Who did not add a partition while it need not has it refused now, and aborts.
    const refused = next === 1
    if (refused) assert.equal(errorName(await follows.write('t', 1, 'refused')), 'TRANSACTION_ABORTABLE')
    else await write(follows, 1, 'elsewhere')
    const commits = round !== 3
    assert.equal(errorName(await always1.end(commits)), 'NONE')
    assert.equal(errorName(await follows.end(commits && !refused)), 'NONE')
    if (refused) committed[0] = committed[0]!.filter(value => !value.startsWith(`of now ${round} `))
    await settled(broker)
  }
  for (const partition of [0, 1]) {
    const { values, lastStableOffset } = await readValues(client, 't', partition)
    assert.deepEqual(values, committed[partition])
    const all = await readValues(client, 't', partition, false)
    assert.ok(lastStableOffset > all.values.length, 'nothing is open, and markers lie behind what was written')
  }
})

test('row 20: a transaction whose client stopped is aborted, and its client is fenced', async t => {
  const broker = await brokerWith(t, { t: 1 }, { 'transaction.max.timeout.ms': '20000' })
  const reader = broker.connect()
  const producer = new TransactionalClient(broker, 'tx', v1)
  producer.timeoutMs = 20_001
  await findTransaction(producer)
  assert.equal(errorName(await producer.init()), 'INVALID_TRANSACTION_TIMEOUT')
  producer.timeoutMs = 20_000
  assert.equal(errorName(await producer.init()), 'NONE')
  await producer.add(['t', 0])
  await producer.write('t', 0, 'stopped')
  assert.deepEqual(await listed(reader), ['tx Ongoing'])
  await broker.world.time.advance(19_000)
  assert.equal((await readValues(reader, 't', 0)).lastStableOffset, 0)
  await broker.world.time.advance(3_000)
  const { values, lastStableOffset } = await readValues(reader, 't', 0)
  assert.deepEqual([values, lastStableOffset], [[], 2])
  assert.deepEqual(await listed(reader), ['tx CompleteAbort'])
  assert.equal(errorName(await producer.write('t', 0, 'late')), 'INVALID_PRODUCER_EPOCH')
  assert.equal(errorName(await producer.end(true)), 'PRODUCER_FENCED')
})

test('row 21: a transaction that hangs is found, and ended by an administrator', async t => {
  const broker = await brokerWith(t, { t: 1 }, { 'transaction.partition.verification.enable': 'false' })
  const client = broker.connect()
  const producer = await new TransactionalClient(broker, 'tx', v1).begin()
  assert.equal(errorName(await producer.write('t', 0, 'orphan')), 'NONE')
  assert.equal((await readValues(client, 't', 0)).lastStableOffset, 0)
  assert.deepEqual(await listed(client), ['tx Empty'], 'its coordinator knows of none')
  const described = await client.call(describeProducers, 0, { topics: [{ name: 't', partitionIndexes: [0] }] })
  const [active] = described.topics[0]!.partitions[0]!.activeProducers
  assert.equal(active!.currentTxnStartOffset, 0)
  const abort = async (version: number, topic: string, partition: number) => {
    const { producerId, producerEpoch, coordinatorEpoch } = active!
    const { markers } = await client.call(writeTxnMarkers, version, {
      markers: [
        {
          producerId,
          producerEpoch,
          coordinatorEpoch: Math.max(coordinatorEpoch, 0),
          transactionResult: false,
          topics: [{ name: topic, partitionIndexes: [partition] }],
        },
      ],
    })
    return errorName(markers[0]!.topics[0]!.partitions[0]!.errorCode)
  }
  const hanging = async () => {
    const { partitionsWithOpenTransactions: open, partitionsWithLateTransactions: late } =
      await broker.broker.transactionStats()
    return [open, late]
  }
  assert.deepEqual(await hanging(), [1, 0])
  await broker.world.time.advance(20 * 60_000 + 1)
  assert.deepEqual(await hanging(), [1, 1], 'longer than any may last, and five minutes')
  assert.equal(await abort(1, 't', 1), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(await abort(1, 't', 0), 'NONE')
  const { values, lastStableOffset } = await readValues(client, 't', 0)
  assert.deepEqual([values, lastStableOffset], [[], 2])
  assert.equal(await abort(2, 't', 0), 'NONE', 'again')
  assert.deepEqual(await hanging(), [0, 0])
  assert.equal((await broker.broker.transactionStats()).ids, 1)
})

test('bad input: producers that nobody can be have no transactions', async t => {
  const broker = await brokerWith(t, { t: 1 }, { 'transaction.partition.verification.enable': 'false' })
  const client = broker.connect()
  await findGroup(client, 'g')
  const nobody = new TransactionalClient(broker, 'tx', v1)
  for (const [producerId, producerEpoch] of [
    [-1n, 0],
    [-5n, 0],
    [5n, -1],
  ] as const) {
    Object.assign(nobody, { producerId, producerEpoch })
    assert.equal(errorName(await nobody.commitOffset('g', 't', 0, 1)), 'INVALID_PRODUCER_ID_MAPPING')
    const topics = ['t', '__consumer_offsets'].map(name => ({ name, partitionIndexes: [0] }))
    const { markers } = await client.call(writeTxnMarkers, 1, {
      markers: [{ producerId, producerEpoch, coordinatorEpoch: 0, transactionResult: true, topics }],
    })
    const codes = markers[0]!.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))
    assert.deepEqual(names(codes), ['INVALID_REQUEST', 'INVALID_REQUEST'])
  }
  assert.equal(await committedOffset(client, 'g', true), -1)
  assert.equal((await readValues(client, 't', 0)).highWatermark, 0)
})

test('an administrator ends a transaction in the offsets of groups as well', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const client = broker.connect()
  await findGroup(client, 'g')
  const producer = await new TransactionalClient(broker, 'tx').begin()
  assert.equal(errorName(await producer.commitOffset('g', 't', 0, 5)), 'NONE')
  assert.equal(await committedOffset(client, 'g', true), 'UNSTABLE_OFFSET_COMMIT')
  const { producerId, producerEpoch } = producer
  const { markers } = await client.call(writeTxnMarkers, 1, {
    markers: [
      {
        producerId,
        producerEpoch,
        coordinatorEpoch: 0,
        transactionResult: false,
        topics: [{ name: '__consumer_offsets', partitionIndexes: [partitionOfKey('g', 3)] }],
      },
    ],
  })
  assert.equal(errorName(markers[0]!.topics[0]!.partitions[0]!.errorCode), 'NONE')
  assert.equal(await committedOffset(client, 'g', true), -1)
})

test('row 22: markers of a transaction that was decided are written after a crash, into data and offsets', async () => {
  const first = await TestBroker.start(few)
  await first.createTopic('t', 2)
  await findGroup(first.connect(), 'g')
  const producer = await new TransactionalClient(first, 'tx').begin()
  await producer.write('t', 0, 'a')
  await producer.write('t', 1, 'b')
  await producer.commitOffset('g', 't', 0, 7)
  first.world.storage.holdFlushes = true
  const ended = producer.end(true)
  await settled(first)
  // The decision becomes durable, its client is told, and the markers are in the page cache alone.
  first.world.storage.flush()
  assert.equal(errorName(await ended), 'NONE')
  await settled(first)
  first.world.machine.losePower()
  const broker = await TestBroker.start(few, first.world.machine, 2)
  await settled(broker)
  const reader = broker.connect()
  for (const [partition, value] of [
    [0, 'a'],
    [1, 'b'],
  ] as const) {
    const { values, highWatermark, lastStableOffset } = await readValues(reader, 't', partition)
    assert.deepEqual([values, highWatermark, lastStableOffset], [[value], 2, 2])
  }
  await findGroup(reader, 'g')
  assert.equal(await committedOffset(reader, 'g', true), 7)
  assert.deepEqual(await listed(reader), ['tx CompleteCommit'])
  await broker.stop()
})

test('row 22: a marker that went with the page cache is written again, in topics that need no sync as well', async () => {
  const first = await TestBroker.start(few)
  await first.createTopic('t', 1, { 'write.caching': 'true' })
  const producer = await new TransactionalClient(first, 'tx').begin()
  await producer.write('t', 0, 'a')
  first.logOf('t').requestFlush()
  await settled(first)
  first.world.storage.holdFlushes = true
  const ended = producer.end(true)
  await settled(first)
  first.world.storage.flush()
  assert.equal(errorName(await ended), 'NONE')
  await settled(first)
  const reader = first.connect()
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['a'], 'readers need no sync')
  assert.deepEqual(await listed(reader), ['tx PrepareCommit'])
  first.world.machine.losePower()
  const broker = await TestBroker.start(few, first.world.machine, 2)
  await settled(broker)
  const again = broker.connect()
  const { values, highWatermark, lastStableOffset } = await readValues(again, 't', 0)
  assert.deepEqual([values, highWatermark, lastStableOffset], [['a'], 2, 2])
  assert.deepEqual(await listed(again), ['tx CompleteCommit'])
  await broker.stop()
})

test('a transaction goes on after a restart in the middle of it', async () => {
  const first = await TestBroker.start(few)
  await first.createTopic('t')
  await findGroup(first.connect(), 'g')
  const before = await new TransactionalClient(first, 'tx', v1).begin()
  await before.add(['t', 0])
  await before.write('t', 0, 'a')
  await before.addOffsets('g')
  await before.commitOffset('g', 't', 0, 7)
  first.world.machine.losePower()
  const broker = await TestBroker.start(few, first.world.machine, 2)
  await settled(broker)
  const reader = broker.connect()
  await findGroup(reader, 'g')
  await settled(broker)
  assert.equal(await committedOffset(reader, 'g', true), 'UNSTABLE_OFFSET_COMMIT')
  const after = new TransactionalClient(broker, 'tx', v1)
  Object.assign(after, { producerId: before.producerId, producerEpoch: before.producerEpoch })
  assert.equal(errorName(await after.end(true)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['a'])
  assert.equal(await committedOffset(reader, 'g', true), 7)
  await broker.stop()
})

test('a topic that is deleted in the middle of a transaction keeps nobody from ending it', async t => {
  const broker = await brokerWith(t, { t: 1, gone: 1 })
  const reader = broker.connect()
  const producer = await new TransactionalClient(broker, 'tx').begin()
  await producer.write('t', 0, 'a')
  await producer.write('gone', 0, 'b')
  await reader.call(deleteTopics, 5, { topicNames: ['gone'], timeoutMs: 1_000 })
  assert.equal(errorName(await producer.end(true)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['a'])
  assert.deepEqual(await listed(reader), ['tx CompleteCommit'])
})

test('offsets may be added before anybody has looked for their group', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const producer = await new TransactionalClient(broker, 'tx', v1).begin()
  assert.equal(errorName(await producer.addOffsets('g')), 'NONE')
  await findGroup(broker.connect(), 'g')
  assert.equal(errorName(await producer.commitOffset('g', 't', 0, 3)), 'NONE')
  assert.equal(errorName(await producer.end(true)), 'NONE')
  await settled(broker)
  assert.equal(await committedOffset(broker.connect(), 'g', true), 3)
})

test('bad input leaves transactions as they are', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const reader = broker.connect()
  await findGroup(reader, 'g')
  const producer = await new TransactionalClient(broker, 'tx').begin()
  assert.equal(errorName(await producer.write('t', 0, 'a')), 'NONE')
  const nobody = new TransactionalClient(broker, '')
  assert.deepEqual(names(await nobody.add(['t', 0])), ['INVALID_REQUEST'])
  assert.equal(errorName(await nobody.end(true)), 'INVALID_REQUEST')
  assert.equal(errorName(await nobody.init()), 'INVALID_REQUEST')
  const unknown = new TransactionalClient(broker, 'unknown')
  assert.deepEqual(names(await unknown.add(['t', 0])), ['INVALID_PRODUCER_ID_MAPPING'])
  assert.equal(errorName(await unknown.end(true)), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(errorName(await unknown.addOffsets('g')), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(errorName(await unknown.commitOffset('g', 't', 0, 1)), 'INVALID_PRODUCER_ID_MAPPING')
  assert.equal(errorName(await producer.commitOffset('', 't', 0, 1)), 'INVALID_GROUP_ID')
  assert.equal(errorName(await producer.commitOffset('g', 'absent', 0, 1)), 'UNKNOWN_TOPIC_OR_PARTITION')
  const explicit = new TransactionalClient(broker, 'tx', v1)
  Object.assign(explicit, { producerId: producer.producerId, producerEpoch: producer.producerEpoch })
  assert.deepEqual(names(await explicit.add(['t', 0], ['absent', 0], ['__consumer_offsets', 0])), [
    'OPERATION_NOT_ATTEMPTED',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'TOPIC_AUTHORIZATION_FAILED',
  ])
  const { transactionStates } = await reader.call(describeTransactions, 0, { transactionalIds: ['tx', 'unknown', ''] })
  assert.deepEqual(
    transactionStates.map(({ errorCode, transactionState, topics }) => [
      errorName(errorCode),
      transactionState,
      topics,
    ]),
    [
      ['NONE', 'Ongoing', transactionStates[0]!.topics],
      ['TRANSACTIONAL_ID_NOT_FOUND', '', []],
      ['INVALID_REQUEST', '', []],
    ],
  )
  assert.ok(transactionStates[0]!.topics.some(({ topic, partitions }) => topic === 't' && partitions[0] === 0))
  assert.equal(errorName(await producer.end(true)), 'NONE')
  await settled(broker)
  assert.deepEqual((await readValues(reader, 't', 0)).values, ['a'])
})

test('transactions are listed by what is asked for', async t => {
  const broker = await brokerWith(t, { t: 1 })
  const client = broker.connect()
  const one = await new TransactionalClient(broker, 'one').begin()
  await one.write('t', 0, 'a')
  const two = await new TransactionalClient(broker, 'two').begin()
  await broker.world.time.advance(5_000)
  assert.deepEqual(await listed(client, { stateFilters: ['Ongoing', 'None such'] }), ['one Ongoing', '? None such'])
  assert.deepEqual(await listed(client, { stateFilters: ['None such'] }), ['? None such'])
  assert.deepEqual(await listed(client, { producerIdFilters: [two.producerId] }), ['two Empty'])
  assert.deepEqual(await listed(client, { transactionalIdPattern: 'o.*' }), ['one Ongoing'])
  assert.deepEqual(await listed(client, { transactionalIdPattern: '(' }), ['! INVALID_REGULAR_EXPRESSION'])
  assert.deepEqual(await listed(client, { durationFilter: 4_000, stateFilters: ['Ongoing'] }), ['one Ongoing'])
  assert.deepEqual(await listed(client, { durationFilter: 6_000, stateFilters: ['Ongoing'] }), [])
})

test('each step of a transaction is named where a test asks for it', async () => {
  const reached: string[] = []
  const broker = await TestBroker.start(few, undefined, 1, world => {
    Object.assign(world, { reached: (milestone: string) => reached.push(milestone) })
  })
  await broker.createTopic('t')
  const producer = await new TransactionalClient(broker, 'tx').begin()
  await producer.write('t', 0, 'a')
  await producer.end(true)
  await settled(broker)
  assert.deepEqual(reached, [
    ...['Empty decided', 'Empty appended', 'Ongoing decided', 'Ongoing appended'],
    ...['PrepareCommit decided', 'PrepareCommit appended', 'PrepareCommit committed'],
    ...['markers appended', 'markers durable', 'CompleteCommit decided', 'CompleteCommit appended'],
  ])
  await broker.stop()
})
