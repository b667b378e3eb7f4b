import assert from 'node:assert/strict'
import type { Result } from '../../../src/base/result.ts'
import type { LogSettings } from '../../../src/base/world.ts'
import type { AppendFailure } from '../../../src/log/append-failure.ts'
import { openDataDirectory } from '../../../src/log/data-directory.ts'
import { LogManager } from '../../../src/log/log-manager.ts'
import type { Appended, PartitionLog } from '../../../src/log/partition-log.ts'
import { SpaceReserve } from '../../../src/log/space-reserve.ts'
import type { VerificationGuard } from '../../../src/log/verification.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import type { Machine } from '../../support/machine.ts'
import { RecordingLogger } from '../../support/test-broker.ts'

export const path = '/data'
export const settings: LogSettings = {
  segmentBytes: 250,
  segmentMs: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 4096,
  maxMessageBytes: 1 << 20,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  logAppendTime: false,
  requireKeys: false,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  deletes: true,
  retentionMs: -1,
  retentionBytes: -1,
}
export const idA = 'aaaaaaaaaaaaaaaaaaaaaa'
export const idB = 'bbbbbbbbbbbbbbbbbbbbbb'
export const key = (topicId = idA, partition = 0) => ({ topic: 't', topicId, partition })

/** A process that keeps logs on `machine`, and nothing else. */
export async function startLogs(machine: Machine, given: Partial<LogSettings> = {}) {
  const world = new FakeWorld(machine)
  const logger = new RecordingLogger()
  const directory = await openDataDirectory(world, logger, { path, nodeId: 1, newId: () => 'id' })
  await directory.markOpened()
  const reserve = new SpaceReserve(world.disk, world.storage, path, logger)
  await reserve.begin()
  const logs = new LogManager(world, directory, reserve, logger, () => 86_400_000)
  await logs.start()
  const settle = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => {})
    await world.time.settle()
    return await work
  }
  const openLog = (topicId = idA, partition = 0) =>
    settle(logs.openLog(key(topicId, partition), { ...settings, ...given }))
  return { world, logger, logs, settle, openLog }
}

export const text = (machine: Machine, name: string) => new TextDecoder().decode(machine.files.get(`${path}/${name}`))

/** Appends a batch as a client's frame; `guard` as for PartitionLog.append. */
export function appendFrame(world: FakeWorld, log: PartitionLog, batch: Uint8Array, guard?: VerificationGuard): void {
  const outcome = offerFrame(world, log, batch, guard)
  assert.ok(outcome.ok, 'the batch is taken')
}

export function offerFrame(
  world: FakeWorld,
  log: PartitionLog,
  batch: Uint8Array,
  guard?: VerificationGuard,
): Result<Appended, AppendFailure> {
  let outcome: Result<Appended, AppendFailure> | undefined
  world.network.start({} as never, {
    onOpen() {},
    onClose() {},
    onGone() {},
    onCongestion() {},
    onRefused() {},
    onTurnEnd() {},
    onFrame(_, arena, position, length) {
      const view = new DataView(world.network.arenaBytes(arena).buffer)
      outcome = log.append({ arena, view, position, length }, 0 as never, world.clock.wallMs(), guard)
      world.network.releaseFrame(arena, position)
    },
  })
  world.network.listen('', 0)
  let connection = 0
  world.network.connect(given => {
    connection = given
    return { connection: given, onBytes() {}, onClosed() {} }
  })
  world.network.deliver([{ connection, frame: batch }])
  assert.ok(outcome !== undefined, 'the frame was delivered')
  return outcome
}
