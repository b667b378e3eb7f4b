import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogSettings } from '../../../src/base/world.ts'
import { Durability } from '../../../src/log/durability.ts'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'
import { PartitionLog } from '../../../src/log/partition-log.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { Partition } from '../../../src/replication/partition.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { batchOf } from '../../support/test-broker.ts'

const settings: LogSettings = {
  segmentBytes: 1 << 20,
  segmentMs: 1,
  indexIntervalBytes: 1,
  segmentIndexBytes: 1,
  maxMessageBytes: 1 << 20,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  logAppendTime: false,
  requireKeys: false,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  deletes: false,
  retentionMs: -1,
  retentionBytes: -1,
}
const image = { leader: 1, leaderEpoch: 3, isr: [1], replicas: [1] }

async function partitionWith({ writeCaching = false, written = 0 } = {}) {
  const world = new FakeWorld()
  world.storage.holdFlushes = true
  const { log: stored } = await world.storage.openLog('/t-0', settings, 1, 0, 0)
  const write = () => assert.equal(stored.appendBytes(batchOf(['a']), 3, 0), 0)
  for (let i = 0; i < written; i++) write()
  const sideFiles = { saveProducers() {}, saveEpochs() {}, noteAppended() {} }
  const log = new PartitionLog(stored, new ProducerStates(), new LeaderEpochs(), settings, sideFiles as never)
  const partition = new Partition('t', 0, image, { writeCaching, minInSyncReplicas: 1 })
  new Durability(world.storage).watch(stored, {
    onDurable: durableOffset => partition.onDurable(durableOffset),
    onFailed: () => partition.offline(ErrorCode.KAFKA_STORAGE_ERROR),
  })
  return { world, partition, log }
}

const waiter = (endOffset: number) => {
  const told: ErrorCode[] = []
  return { endOffset, told, onCommitted: (code: ErrorCode) => void told.push(code) }
}

test('before its log is open a partition has no leader to offer', async () => {
  const { partition } = await partitionWith()
  assert.equal(partition.refusal(-1), ErrorCode.LEADER_NOT_AVAILABLE)
  const early = waiter(1)
  partition.whenCommitted(early)
  assert.deepEqual(early.told, [ErrorCode.LEADER_NOT_AVAILABLE])
  assert.equal(partition.read(0, 1, false, true).code, ErrorCode.LEADER_NOT_AVAILABLE)
})

test('what an earlier process wrote is committed once it is durable, and that is asked for at once', async () => {
  const { world, partition, log } = await partitionWith({ written: 2 })
  partition.online(log)
  assert.deepEqual([partition.highWatermark, world.storage.flushesWaiting], [0, 1])
  assert.equal(partition.recovered, false)
  world.storage.flush()
  assert.equal(partition.highWatermark, 2)
  assert.equal(partition.recovered, true)
})

test('with write.caching what is written is committed, whatever is durable', async () => {
  const { partition, log } = await partitionWith({ writeCaching: true, written: 2 })
  partition.online(log)
  assert.equal(partition.highWatermark, 2)
  partition.onDurable(1)
  assert.equal(partition.highWatermark, 2)
})

test('waiters are told once, in order, as far as the high watermark goes; one that gave up is not', async () => {
  const { world, partition, log } = await partitionWith({ written: 3 })
  partition.online(log)
  const waiters = [waiter(1), waiter(2), waiter(3)]
  for (const each of waiters) partition.whenCommitted(each)
  partition.dropCommitWaiter(waiters[1]!)
  partition.onDurable(2)
  assert.deepEqual(
    waiters.map(each => each.told),
    [[ErrorCode.NONE], [], []],
  )
  world.storage.flush()
  assert.deepEqual(
    waiters.map(each => each.told),
    [[ErrorCode.NONE], [], [ErrorCode.NONE]],
  )
  const late = waiter(3)
  partition.whenCommitted(late)
  assert.deepEqual(late.told, [ErrorCode.NONE])
})

test('going offline tells everyone who waits, and those who come later', async () => {
  const { world, partition, log } = await partitionWith({ written: 1 })
  partition.online(log)
  const waiting = waiter(1)
  let woken = 0
  partition.whenCommitted(waiting)
  partition.addReadWaiter({ onReadable: () => void woken++ })
  world.storage.fail('/t-0')
  assert.deepEqual([waiting.told, woken], [[ErrorCode.KAFKA_STORAGE_ERROR], 1])
  assert.equal(partition.refusal(-1), ErrorCode.KAFKA_STORAGE_ERROR)
  assert.equal(partition.read(0, 1, false, true).code, ErrorCode.KAFKA_STORAGE_ERROR)
})

test('a reader who waits is woken each time more is committed, and asks for the flush himself', async () => {
  const { world, partition, log } = await partitionWith()
  partition.online(log)
  let woken = 0
  const reader = { onReadable: () => void woken++ }
  log.stored.appendBytes(batchOf(['a']), 3, 0)
  partition.addReadWaiter(reader)
  assert.equal(world.storage.flushesWaiting, 1)
  partition.dropReadWaiter(reader)
  assert.equal(woken, 0)
})

test('without write.caching the high watermark stays until the disk has caught up, which is asked for at once', async () => {
  const { world, partition, log } = await partitionWith({ writeCaching: true, written: 2 })
  partition.online(log)
  partition.configure({ writeCaching: false, minInSyncReplicas: 1 }, settings)
  assert.deepEqual([partition.highWatermark, world.storage.flushesWaiting], [2, 1])
  log.stored.appendBytes(batchOf(['b']), 3, 0)
  partition.onDurable(1)
  assert.equal(partition.highWatermark, 2, 'what was seen is not taken back')
  const waiting = waiter(3)
  partition.whenCommitted(waiting)
  partition.onDurable(2)
  assert.deepEqual([partition.highWatermark, waiting.told], [2, []])
})

test('with write.caching again, what is written is committed to those who wait', async () => {
  const { partition, log } = await partitionWith({ written: 2 })
  partition.online(log)
  const waiting = waiter(2)
  partition.whenCommitted(waiting)
  partition.configure({ writeCaching: true, minInSyncReplicas: 1 }, settings)
  assert.deepEqual([partition.highWatermark, waiting.told], [2, [ErrorCode.NONE]])
})

test('a partition that is not online yet takes new settings, and works by them when it comes', async () => {
  const { partition, log } = await partitionWith({ written: 2 })
  partition.configure({ writeCaching: true, minInSyncReplicas: 2 }, settings)
  partition.online(log)
  assert.deepEqual([partition.highWatermark, partition.belowMinIsr], [2, true])
})

test('clients with another leader epoch are told which side is behind', async () => {
  const { partition, log } = await partitionWith()
  partition.online(log)
  assert.deepEqual(
    [-1, 2, 3, 4].map(epoch => partition.refusal(epoch)),
    [ErrorCode.NONE, ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.NONE, ErrorCode.UNKNOWN_LEADER_EPOCH],
  )
})
