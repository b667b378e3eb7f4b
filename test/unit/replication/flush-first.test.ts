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
import { settings as logSettings } from '../log/support.ts'

/** A partition of a topic with flush.messages=2, whose flushes are held back. */
async function prepare(writeCaching: boolean) {
  const settings: LogSettings = { ...logSettings, flushMessages: 2 }
  const world = new FakeWorld()
  world.storage.holdFlushes = true
  const { log: stored } = await world.storage.openLog('/t-0', settings, 0, 0, 0)
  const sideFiles = {
    saveProducers() {},
    saveAborted() {},
    keepAborted: async () => {},
    saveEpochs() {},
    appended() {},
    room: () => undefined,
    diskFull() {},
    startMoved() {},
  }
  const log = new PartitionLog(stored, new ProducerStates(), new LeaderEpochs(), settings, sideFiles)
  const image = { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] }
  const partition = new Partition('t', 0, image, { writeCaching, minInSyncReplicas: 1 })
  new Durability(world.storage).watch(stored, {
    onDurable: durableOffset => partition.onDurable(durableOffset),
    onFailed: () => partition.offline(ErrorCode.KAFKA_STORAGE_ERROR),
  })
  partition.online(log)
  world.network.start(
    {} as never,
    {
      onOpen() {},
      onClose() {},
      onGone() {},
      onTurnEnd() {},
      onFrame(_: number, arena: number, position: number, length: number) {
        const view = new DataView(world.network.arenaBytes(arena).buffer)
        assert.ok(partition.append({ arena, view, position, length }, 0).ok)
        world.network.releaseFrame(arena, position)
      },
    } as never,
  )
  world.network.listen('', 0)
  let connection = 0
  world.network.connect(given => {
    connection = given
    return { connection: given, onBytes() {}, onClosed() {} }
  })
  const append = () => world.network.deliver([{ connection, frame: batchOf(['a']) }])
  return { world, partition, settings, append }
}

const waiter = (endOffset: number) => {
  const told: ErrorCode[] = []
  return { endOffset, told, onCommitted: (code: ErrorCode) => void told.push(code) }
}

test('with write.caching the append that reaches flush.messages holds the high watermark until it is durable', async () => {
  const { world, partition, append } = await prepare(true)
  append()
  assert.deepEqual([partition.highWatermark, world.storage.flushesWaiting], [1, 0])
  append()
  append()
  assert.deepEqual([partition.highWatermark, world.storage.flushesWaiting], [1, 1])
  partition.onDurable(2)
  assert.equal(partition.highWatermark, 2, 'what is durable is committed, and no more')
  world.storage.flush()
  assert.equal(partition.highWatermark, 3)
  append()
  assert.deepEqual([partition.highWatermark, world.storage.flushesWaiting], [4, 0])
})

test('turning write.caching on commits nothing that flush.messages holds back', async () => {
  const { world, partition, settings, append } = await prepare(false)
  append()
  append()
  partition.configure({ writeCaching: true, minInSyncReplicas: 1 }, settings)
  assert.equal(partition.highWatermark, 0)
  world.storage.flush()
  assert.equal(partition.highWatermark, 2)
})

test('who waits for the disk of this replica is told in order, once; one that gave up is not; a failure tells all', async () => {
  const { world, partition, append } = await prepare(true)
  append()
  append()
  const waiters = [waiter(1), waiter(2), waiter(2)]
  for (const each of waiters) partition.whenDurable(each)
  partition.dropCommitWaiter(waiters[1]!)
  world.storage.flush()
  const late = waiter(2)
  partition.whenDurable(late)
  assert.deepEqual(
    [...waiters, late].map(each => each.told),
    [[ErrorCode.NONE], [], [ErrorCode.NONE], [ErrorCode.NONE]],
  )
  append()
  const failing = waiter(3)
  partition.whenDurable(failing)
  world.storage.fail('/t-0')
  assert.deepEqual(failing.told, [ErrorCode.KAFKA_STORAGE_ERROR])
  const after = waiter(3)
  partition.whenDurable(after)
  assert.deepEqual(after.told, [ErrorCode.KAFKA_STORAGE_ERROR])
})
