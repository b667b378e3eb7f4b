import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Durability } from '../../../src/log/durability.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { Partition } from '../../../src/replication/partition.ts'
import { Machine } from '../../support/machine.ts'
import { batchOf } from '../../support/test-broker.ts'
import { key, startLogs } from '../log/support.ts'

async function online(writeCaching = false) {
  const started = await startLogs(new Machine(), { segmentBytes: 1 << 20 })
  const { world } = started
  const log = await started.openLog()
  const image = { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] }
  const partition = new Partition('t', 0, image, { writeCaching, minInSyncReplicas: 1 })
  new Durability(world.storage).watch(log.stored, {
    onDurable: durableOffset => partition.onDurable(durableOffset),
    onFailed: () => partition.offline(ErrorCode.KAFKA_STORAGE_ERROR),
  })
  partition.online(log)
  world.storage.holdFlushes = true
  const write = (producerId: bigint) =>
    partition.appendOwn(batchOf(['x'], { producerId, producerEpoch: 0, attributes: BatchAttributes.transactional }), 0)
  const end = (producerId: bigint, committed = true) =>
    partition.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, committed, transactionVersion: 1 }, 0)
  const flush = () => {
    log.stored.requestFlush()
    world.storage.flush()
  }
  return { ...started, log, partition, write, end, flush }
}

test('row 21: the last stable offset waits for the marker, and for the marker to be committed', async () => {
  const { partition, write, end, flush } = await online()
  write(1n)
  flush()
  assert.deepEqual([partition.lastStable, partition.highWatermark, partition.readLimit(true)], [0, 1, 0])
  end(1n)
  assert.deepEqual([partition.lastStable, partition.highWatermark], [0, 1])
  flush()
  assert.deepEqual([partition.lastStable, partition.readLimit(true)], [2, 2])
})

test('with write.caching what is written is stable once its transaction has ended', async () => {
  const { partition, write, end } = await online(true)
  write(1n)
  write(2n)
  assert.deepEqual([partition.lastStable, partition.highWatermark], [0, 2])
  end(1n)
  assert.equal(partition.lastStable, 1)
  end(2n)
  assert.equal(partition.lastStable, 4)
})

test('row 25: who waits to read is told when the last stable offset moves, and only then is there more of it', async () => {
  const { partition, write, end, flush } = await online()
  const limits: number[] = []
  partition.addReadWaiter({ onReadable: () => void limits.push(partition.readLimit(true)) })
  write(1n)
  flush()
  end(1n)
  flush()
  assert.deepEqual(limits, [0, 2])
})

test('records of an open transaction that are deleted hold nobody back', async () => {
  const { partition, logs, settle, world, write, end, flush } = await online()
  write(1n)
  write(1n)
  write(2n)
  flush()
  world.storage.holdFlushes = false
  await settle(logs.advanceStart(key(), 2))
  partition.logStartMoved()
  assert.deepEqual([partition.logStart, partition.lastStable], [2, 2])
  end(2n)
  flush()
  assert.equal(partition.lastStable, 2, 'the first of them is still open')
  assert.equal(partition.openTransactionOf(1n, 0), 0)
  end(1n, false)
  flush()
  assert.equal(partition.lastStable, 5)
})

test('rows 24 and 29: markers have offsets; a reader is told what was aborted in the region that it was given', async () => {
  const { world, partition, write, end, flush } = await online()
  const ends: number[] = []
  for (let i = 0; i < 4; i++) {
    write(1n)
    const ended = end(1n, i === 2)
    ends.push(ended.ok ? ended.value.baseOffset : -1)
  }
  flush()
  assert.deepEqual(ends, [1, 3, 5, 7])
  const told = async (fetchOffset: number, maxBytes: number) => {
    const { region, length, end: regionEnd } = partition.read(fetchOffset, maxBytes, true, true)
    if (length > 0) world.storage.releaseRegion(region)
    return (await partition.abortedTransactions(fetchOffset, regionEnd)).map(({ firstOffset }) => firstOffset)
  }
  assert.deepEqual(await told(0, 1 << 20), [0, 2, 6])
  assert.deepEqual(await told(0, 1), [0])
  assert.deepEqual(await told(3, 1), [2], 'its marker alone')
  assert.deepEqual(await told(4, 1), [])
})

test('a partition that is not here takes neither markers nor transactions, and has none', async () => {
  const { partition, write, end, flush } = await online()
  write(1n)
  flush()
  partition.offline(ErrorCode.KAFKA_STORAGE_ERROR)
  const ended = end(1n)
  assert.equal(!ended.ok && ended.error.code, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal(partition.beginVerification(1n, 0, 0), undefined)
  assert.equal(partition.openTransactionOf(1n, 0), -1)
  assert.deepEqual(partition.abortedTransactions(0, 10), [])
})
