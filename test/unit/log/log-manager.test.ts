import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeProducerSnapshot } from '../../../src/log/producer-snapshot.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import { statusError } from '../../../src/native/errors.ts'
import { StatusCode } from '../../../src/native/status.ts'
import { encodedSnapshot } from '../../support/encoded-snapshot.ts'
import { Machine } from '../../support/machine.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame as append, idA, idB, key, path, settings, startLogs as start, text } from './support.ts'

const idempotent = (baseSequence: number) => ({ producerId: 7n, producerEpoch: 0, baseSequence })

test('recovery points are written each second where something became durable', async () => {
  const machine = new Machine()
  const { world, logs, openLog } = await start(machine)
  const log = await openLog()
  append(world, log, batchOf(['a']))
  await world.time.advance(1_000)
  assert.equal(text(machine, 'recovery-point-offset-checkpoint'), '0\n1\nt 0 0\n')
  log.stored.requestFlush()
  await world.time.advance(1_000)
  assert.equal(text(machine, 'recovery-point-offset-checkpoint'), '0\n1\nt 0 1\n')
  await logs.close()
})

test('a snapshot written at a roll tells the producers below it, and none of the batch that rolled', async () => {
  const machine = new Machine()
  const { world, logs, openLog } = await start(machine)
  const log = await openLog()
  for (let i = 0; i < 4; i++) append(world, log, batchOf(['x'.repeat(50)], idempotent(i)))
  await world.time.settle()
  const rolls = log.stored.activeBaseOffset()
  assert.ok(rolls > 0, 'the log has rolled')
  const bytes = machine.files.get(`${path}/t-0/${String(rolls).padStart(20, '0')}.snapshot`)!
  const [entry] = [...decodeProducerSnapshot(bytes)!]
  assert.equal(entry![1].batches.at(-1)!.lastOffset, rolls - 1)
  await logs.close()
})

test('after kill -9 producers are known from snapshot and log, and damaged snapshots are passed over', async () => {
  const machine = new Machine()
  let { world, openLog } = await start(machine)
  let log = await openLog()
  for (let i = 0; i < 7; i++) append(world, log, batchOf(['x'.repeat(50)], idempotent(i)))
  await world.time.settle()
  for (const damage of [() => {}, () => damageNewestSnapshot(machine), () => removeSnapshots(machine)]) {
    machine.killProcess()
    damage()
    ;({ world, openLog } = await start(machine))
    log = await openLog()
    const next = { producerId: 7n, producerEpoch: 0, recordCount: 1 }
    assert.equal(log.producers.check({ ...next, baseSequence: 6 }).kind, 'duplicate')
    assert.equal(log.producers.check({ ...next, baseSequence: 7 }).kind, 'accept')
    assert.equal(log.producers.check({ ...next, baseSequence: 8 }).kind, 'out-of-order')
  }
})

function snapshotsOf(machine: Machine): string[] {
  return [...machine.files.keys()].filter(name => name.endsWith('.snapshot')).sort()
}

function damageNewestSnapshot(machine: Machine): void {
  const newest = snapshotsOf(machine).at(-1)!
  machine.files.get(newest)![8]! ^= 1
}

function removeSnapshots(machine: Machine): void {
  for (const name of snapshotsOf(machine)) machine.files.delete(name)
}

test('a snapshot of records that the log lost is removed and not believed', async () => {
  const machine = new Machine()
  const first = await start(machine)
  await first.openLog()
  const states = new ProducerStates()
  states.apply({ ...idempotent(0), recordCount: 1 }, 50, 0)
  const stale = `${path}/t-0/00000000000000000051.snapshot`
  machine.files.set(stale, await encodedSnapshot(states))
  machine.killProcess()
  const log = await (await start(machine)).openLog()
  assert.equal(log.producers.size, 0)
  assert.equal(machine.files.has(stale), false)
})

test('what a crash left half written beside a log is removed at its load, and nothing that is not ours', async () => {
  const machine = new Machine()
  await (await start(machine)).openLog()
  const left = ['00000000000000000051.snapshot', '00000000000000000000.txnindex', 'leader-epoch-checkpoint']
  for (const name of [...left, 'partition.metadata', 'embedded-log', 'notes', '51.snapshot'])
    machine.files.set(`${path}/t-0/${name}.tmp`, new Uint8Array(7))
  machine.killProcess()
  await (await start(machine)).openLog()
  const names = machine.list(`${path}/t-0`).filter(name => name.endsWith('.tmp'))
  assert.deepEqual(names.sort(), ['51.snapshot.tmp', 'notes.tmp'])
})

test('epochs whose checkpoint is lost are found in the log from its start, also below the newest snapshot', async () => {
  const machine = new Machine()
  const first = await start(machine)
  const log = await first.openLog()
  for (let i = 0; i < 4; i++) append(first.world, log, batchOf(['x'.repeat(50)], idempotent(i)))
  await first.settle(first.logs.close())
  machine.files.delete(`${path}/t-0/leader-epoch-checkpoint`)
  const again = await (await start(machine)).openLog()
  assert.deepEqual(again.epochs.entries, [{ epoch: 0, startOffset: 0 }])
})

test('a clean close marks the directory; one that failed does not', async () => {
  const machine = new Machine()
  const clean = await start(machine)
  await clean.openLog()
  await clean.settle(clean.logs.close())
  assert.ok(machine.files.has(`${path}/.kafka_cleanshutdown`))

  const failing = await start(machine)
  await failing.openLog()
  failing.world.storage.fail(`${path}/t-0`)
  await failing.settle(failing.logs.close())
  assert.equal(machine.files.has(`${path}/.kafka_cleanshutdown`), false)
  assert.equal(machine.locks.size, 0, 'the lock is given back all the same')
})

test('a sweep removes what was being deleted, sets strays aside, and touches nothing else', async () => {
  const machine = new Machine()
  const { world, logs, logger, openLog } = await start(machine)
  const make = async (name: string, topicId: string) => {
    await world.disk.makeDirectory(`${path}/${name}`)
    await world.disk.replace(`${path}/${name}/partition.metadata`, `version: 0\ntopic_id: ${topicId}\n`)
  }
  await make('t-0', idA)
  await make('t-1', idB)
  await make('orphan-0', idB)
  await make('gone-0.123-delete', idB)
  await make('__cluster_metadata-0', idB)
  await make('notes', idB)
  await logs.sweep(name => (name.startsWith('t-') ? idA : undefined))
  await openLog(idA, 1) // Here it turns out to be another topic's.
  const directories = machine.list(path).filter(name => !name.includes('.') || name.endsWith('-stray'))
  assert.deepEqual(
    directories.filter(name => name !== 'meta.properties' && !name.endsWith('checkpoint')),
    ['__cluster_metadata-0', 'notes', `orphan-0.${idB}-stray`, 't-0', 't-1', `t-1.${idB}-stray`],
  )
  assert.ok(logger.has('orphan-0'))
})

test('a directory of another topic id is put aside only where that topic may go; else nothing of it is touched', async () => {
  const machine = new Machine()
  const first = await start(machine)
  await first.openLog(idB)
  await first.settle(first.logs.close())
  const { logs, settle } = await start(machine)
  await assert.rejects(settle(logs.openLog(key(idA), settings, () => false)), /partition\.metadata.*Put the right id/)
  assert.ok(machine.list(path).includes('t-0'))
  await settle(logs.openLog(key(idA), settings, owner => owner === idB))
  assert.ok(machine.list(path).includes(`t-0.${idB}-stray`))
  await settle(logs.close())
})

test("a deletion leaves another topic's files of the same name alone", async () => {
  const machine = new Machine()
  const { logs, openLog } = await start(machine)
  await openLog(idA)
  await logs.deleteLogs([key(idB)])
  assert.ok(machine.exists(`${path}/t-0`))
  await logs.deleteLogs([key(idA)])
  assert.equal(machine.exists(`${path}/t-0`), false)
})

test('control and compacted batches of a log that Kafka wrote leave its producers their sequences', async () => {
  const machine = new Machine()
  const first = await start(machine)
  const log = await first.openLog()
  append(first.world, log, batchOf(['a', 'b', 'c'], idempotent(0)))
  log.stored.appendBytes(batchOf(['commit'], { ...idempotent(-1), attributes: 0x30 }), 0, 0)
  // Compaction took a record and left the batch's last offset.
  const batch = machine.logs.get(`${path}/t-0`)!.batches[0]!
  new DataView(batch.bytes.buffer, batch.bytes.byteOffset).setInt32(57, 2)
  machine.killProcess()
  removeSnapshots(machine)
  const again = await (await start(machine)).openLog()
  const next = { producerId: 7n, producerEpoch: 0, recordCount: 1 }
  assert.equal(again.producers.check({ ...next, baseSequence: 3 }).kind, 'accept')
})

test('the page cache is not believed after a log could not be opened for an error of its disk', async () => {
  const machine = new Machine()
  const { world, openLog } = await start(machine)
  world.storage.openLog = () => Promise.reject(statusError('open the log in /data/t-0', StatusCode.ioError))
  await assert.rejects(openLog(), { code: 'MILLRACE_IO_ERROR' })
  assert.equal(machine.files.has(`${path}/.sync_failed`), true)

  // Damage is another matter: after a reboot it would be cut away, and here it is refused.
  const damaged = new Machine()
  const other = await start(damaged)
  other.world.storage.openLog = () => Promise.reject(statusError('open the log in /data/t-0', StatusCode.corrupt))
  await assert.rejects(other.openLog(), { code: 'MILLRACE_CORRUPT' })
  assert.equal(damaged.files.has(`${path}/.sync_failed`), false)
})
