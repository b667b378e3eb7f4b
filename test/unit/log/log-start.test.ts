import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'
import { Machine } from '../../support/machine.ts'
import { systemError } from '../../support/memory-disk.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, key, path, startLogs, text } from './support.ts'

const startFile = 'log-start-offset-checkpoint'
const big = 'x'.repeat(50)
const idempotent = (baseSequence: number) => ({ producerId: 7n, producerEpoch: 0, baseSequence })

async function filled(machine: Machine) {
  const started = await startLogs(machine)
  const log = await started.openLog()
  for (let i = 0; i < 6; i++) appendFrame(started.world, log, batchOf([big], idempotent(i)))
  await started.world.time.settle()
  return { ...started, log }
}

test('a log start is in its checkpoint before any segment goes', async () => {
  const machine = new Machine()
  const { world, logs, log, settle } = await filled(machine)
  const segments = () => machine.logs.get(`${path}/t-0`)!.segments.length
  const before = segments()
  assert.ok(before > 2, 'the log has rolled')
  let segmentsAtWrite = 0
  world.disk.fault = (operation, file) => {
    if (operation === 'replace' && file.endsWith(startFile)) segmentsAtWrite = segments()
    return undefined
  }
  await settle(logs.advanceStart(key(), 5))
  assert.equal(segmentsAtWrite, before)
  assert.equal(text(machine, startFile), '0\n1\nt 0 5\n')
  assert.equal(log.logStart, 5)
  assert.ok(segments() < before)
})

test('a log start that cannot be made durable moves nothing', async () => {
  const machine = new Machine()
  const { world, logs, log, settle } = await filled(machine)
  world.disk.fault = (_, file) => (file.endsWith(startFile) ? new Error('EIO') : undefined)
  await assert.rejects(settle(logs.advanceStart(key(), 5)), /EIO/)
  assert.equal(log.logStart, 0)
  world.disk.fault = () => undefined
  await settle(logs.advanceStart(key(), 3))
  assert.equal(log.logStart, 3, 'the next one goes on')
})

test('records of producers go only once a power loss cannot make them unknown', async () => {
  const machine = new Machine()
  const { world, logs, log } = await filled(machine)
  world.storage.holdFlushes = true
  const moved = logs.advanceStart(key(), 5)
  await world.time.settle()
  assert.equal(log.logStart, 0, 'the log is not as long yet, on the disk, as its snapshot says')
  world.storage.flush()
  await world.time.settle()
  await moved
  assert.equal(log.logStart, 5)
  machine.losePower()
  const again = await (await startLogs(machine)).openLog()
  const last = { producerId: 7n, producerEpoch: 0, recordCount: 1, baseSequence: 5 }
  assert.equal(again.producers.check(last).kind, 'duplicate')
})

test('a log that fails while its start waits for a flush keeps its records', async () => {
  const { world, logs, log } = await filled(new Machine())
  world.storage.holdFlushes = true
  const moved = assert.rejects(logs.advanceStart(key(), 5), /could not be flushed/)
  await world.time.settle()
  world.storage.fail(`${path}/t-0`)
  await moved
  assert.equal(log.logStart, 0)
})

test('snapshots of what is not durable do not push out the last one of what is', async () => {
  const machine = new Machine()
  const { world, logs, log, settle } = await filled(machine)
  await settle(logs.advanceStart(key(), log.logEnd))
  world.storage.holdFlushes = true
  for (let i = 6; i < 14; i++) appendFrame(world, log, batchOf([big], idempotent(i)))
  await world.time.settle()
  machine.losePower()
  const again = await (await startLogs(machine)).openLog()
  assert.equal(again.logEnd, 6)
  const last = { producerId: 7n, producerEpoch: 0, recordCount: 1, baseSequence: 5 }
  assert.equal(again.producers.check(last).kind, 'duplicate')
})

test('row 12: after kill -9 the log begins where it was moved to, and its producers outlive their records', async () => {
  const machine = new Machine()
  const { logs, log, settle } = await filled(machine)
  await settle(logs.advanceStart(key(), log.logEnd))
  machine.killProcess()
  const again = await (await startLogs(machine)).openLog()
  assert.equal(again.logStart, 6)
  const next = { producerId: 7n, producerEpoch: 0, recordCount: 1 }
  assert.equal(again.producers.check({ ...next, baseSequence: 5 }).kind, 'duplicate')
  assert.equal(again.producers.check({ ...next, baseSequence: 6 }).kind, 'accept')
  assert.equal(again.producers.check({ ...next, baseSequence: 7 }).kind, 'out-of-order')
})

test('a log start never goes back, whatever the order in which moves end', async () => {
  const machine = new Machine()
  const { logs, log, settle } = await filled(machine)
  await settle(Promise.all([logs.advanceStart(key(), 5), logs.advanceStart(key(), 2)]).then(() => undefined))
  assert.equal(log.logStart, 5)
  assert.equal(text(machine, startFile), '0\n1\nt 0 5\n')
})

test('epochs below the log start go; the one it begins in is known from there', () => {
  const epochs = new LeaderEpochs([
    { epoch: 0, startOffset: 0 },
    { epoch: 2, startOffset: 10 },
    { epoch: 5, startOffset: 20 },
  ])
  assert.equal(epochs.truncateStart(15), true)
  assert.deepEqual(epochs.entries, [
    { epoch: 2, startOffset: 15 },
    { epoch: 5, startOffset: 20 },
  ])
  assert.equal(epochs.truncateStart(15), false)
  assert.equal(epochs.truncateStart(20), true)
  assert.deepEqual(epochs.entries, [{ epoch: 5, startOffset: 20 }])
})

test('a log in a new directory does not inherit the offsets of one that is gone', async () => {
  const machine = new Machine()
  const { logs, settle } = await filled(machine)
  await settle(logs.advanceStart(key(), 4))
  machine.killProcess()
  machine.removeTree(`${path}/t-0`)
  const again = await (await startLogs(machine)).openLog()
  assert.equal(again.logStart, 0)
})

test('on a full disk a log start is still made durable, at the cost of a reserve that is taken again later', async () => {
  const machine = new Machine()
  const { world, logs, log, settle, logger } = await filled(machine)
  await world.time.advance(1_000)
  const reserve = `${path}/.reserve`
  assert.ok(machine.files.has(reserve))
  const full = () => machine.files.has(reserve)
  let freed = false
  world.disk.fault = (operation, file) => {
    const small = file.endsWith(startFile) || file.endsWith('.snapshot')
    if (operation !== 'replace' || freed || (!full() && small)) return undefined
    return systemError('ENOSPC', 'no space left on device')
  }
  await settle(logs.advanceStart(key(), 5))
  assert.equal(log.logStart, 5)
  assert.equal(text(machine, startFile), '0\n1\nt 0 5\n')
  assert.equal(machine.files.has(reserve), false)
  assert.ok(logger.has('the disk is full'))
  await world.time.advance(20_000)
  assert.equal(machine.files.has(reserve), false, 'there is no room yet')
  freed = true
  await world.time.advance(20_000)
  assert.ok(machine.files.has(reserve))
})
