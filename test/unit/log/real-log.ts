import assert from 'node:assert/strict'
import { realWorld } from '../../../src/app/real-world.ts'
import type { LogSettings } from '../../../src/base/world.ts'
import { openDataDirectory } from '../../../src/log/data-directory.ts'
import { LogManager } from '../../../src/log/log-manager.ts'
import type { PartitionLog } from '../../../src/log/partition-log.ts'
import { SpaceReserve } from '../../../src/log/space-reserve.ts'
import { BatchAttributes } from '../../../src/records/batch-header.ts'
import { batchOf, RecordingLogger } from '../../support/test-broker.ts'
import { key, settings } from './support.ts'

const utf8 = new TextEncoder()

/** One partition's log in a directory of this machine. */
export async function openRealLog(directory: string, given: Partial<LogSettings> = {}) {
  const world = realWorld()
  const logger = new RecordingLogger()
  const data = await openDataDirectory(world, logger, { path: directory, nodeId: 1, newId: () => 'id' })
  await data.markOpened()
  const reserve = new SpaceReserve(world.disk, world.storage, directory, logger)
  const logs = new LogManager(world, data, reserve, logger, () => 86_400_000)
  await logs.start()
  const log = await logs.openLog(key(), { ...settings, segmentBytes: 1 << 20, ...given })
  const close = async () => {
    await logs.close()
    await world.storage.close()
  }
  return { world, log, close }
}

/** One record of a transaction, as a coordinator writes it. */
export function write(log: PartitionLog, producerId: bigint, value: string): number {
  const batch = batchOf([], {
    records: [{ key: utf8.encode('k'), value: utf8.encode(value) }],
    producerId,
    producerEpoch: 0,
    attributes: BatchAttributes.transactional,
  })
  const appended = log.appendOwn(batch, 0 as never, Date.now())
  assert.ok(appended.ok)
  return appended.value.baseOffset
}

export function end(log: PartitionLog, producerId: bigint, committed: boolean): void {
  const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 2, committed, transactionVersion: 1 }
  assert.ok(log.appendMarker(marker, 0 as never, Date.now()).ok)
}

export async function durable(log: PartitionLog): Promise<void> {
  log.stored.requestFlush()
  while (log.durableEnd < log.logEnd) await new Promise(resume => setTimeout(resume, 1))
}
