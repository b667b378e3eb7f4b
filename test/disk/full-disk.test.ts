/** A disk that gets full under a broker: what is refused, what goes on, and what is there afterwards. */
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { reserveBytes } from '../../src/log/space-reserve.ts'
import { ErrorCode } from '../../src/protocol/index.ts'
import { BrokerProcess } from './lib/broker-process.ts'
import { atEnd } from './lib/clean-up.ts'
import { DiskClient } from './lib/client.ts'
import { reserveTaken } from './lib/eventually.ts'
import { cannotMount, FileSystem } from './lib/file-system.ts'
import { Ledger } from './lib/ledger.ts'

const skip = cannotMount()
const options = { skip: skip ?? false, timeout: 90_000 }
const large = 'x'.repeat(200_000)

test(
  'a full disk refuses records and says why; partitions stay online and take them once there is room',
  options,
  async t => {
    const disk = FileSystem.mount(t, { megabytes: 24 })
    const config = { 'log.segment.bytes': String(1 << 20) }
    const broker = await BrokerProcess.start(t, join(disk.path, 'data'), { config })
    const client = new DiskClient(broker)
    await reserveTaken(join(disk.path, 'data'))
    await client.createTopic('a', 2)
    const ledger = new Ledger(client)
    const refused = await ledger.fill('a', large)
    assert.equal(refused.code, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.match(refused.message ?? '', /disk is full/)
    // Up to the last block: what a large record leaves is room for small ones, and for topics.
    for (const partition of [0, 1]) await ledger.fill('a', 'small', partition)
    assert.equal((await client.produce('a', [large], { partition: 1, acks: 1 })).code, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.deepEqual(await client.partitionErrors('a'), [ErrorCode.NONE, ErrorCode.NONE])
    const create = await client.tryCreateTopic('late', 4)
    assert.equal(create.code, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.match(create.message ?? '', /disk is full/)
    await ledger.assertReadable()
    assert.equal(await client.deleteRecords('a', -1), ErrorCode.NONE)
    ledger.trimmed('a', ledger.end('a'))
    await ledger.untilTaken('a', large)
    await ledger.untilTaken('a', large, 1)
    await client.createTopic('late', 4)
    await ledger.produce('late', 'r', 3)
    await ledger.assertReadable()
    await broker.stop()
  },
)

test('topics that compete for the last space do not take what deletions need', options, async t => {
  const disk = FileSystem.mount(t, { megabytes: 48 })
  const directory = join(disk.path, 'data')
  const config = { 'log.segment.bytes': String(1 << 20), 'log.retention.check.interval.ms': '500' }
  const broker = await BrokerProcess.start(t, directory, { config })
  const client = new DiskClient(broker)
  const names = ['a', 'b', 'c', 'd']
  for (const name of [...names, 'spare']) await client.createTopic(name)
  const ledger = new Ledger(client)
  for (const name of [...names, 'spare']) for (let i = 0; i < 15; i++) await ledger.produce(name, large)
  await reserveTaken(directory)
  const filler = disk.fill()
  // Each has a connection of its own and tries without a pause.
  let stopping = false
  const writers = Promise.all(
    names.map(async name => {
      const own = new DiskClient(broker)
      while (!stopping) await ledger.tryProduce(name, large, 0, own)
      own.hangUp()
    }),
  )
  atEnd(t, async () => {
    stopping = true
    await writers
  })
  await ledger.untilRefused(names)
  assert.equal(await client.deleteRecords('a', 10), ErrorCode.NONE)
  ledger.trimmed('a', 10)
  await ledger.untilRefused(names)
  assert.equal(await client.setConfig('b', 'max.message.bytes', '2000000'), ErrorCode.NONE)
  assert.equal(await client.deleteTopic('spare'), ErrorCode.NONE)
  ledger.forget('spare')
  await ledger.untilRefused(names)
  // Metadata go on for as long as anybody deletes.
  for (let i = 0; i < 100; i++)
    assert.equal(await client.setConfig('b', 'retention.ms', String(1_000_000 + i)), ErrorCode.NONE, `change ${i}`)
  assert.equal(await client.setConfig('c', 'retention.bytes', '0'), ErrorCode.NONE)
  const end = ledger.end('c')
  await ledger.untilTaken('c', 'after retention')
  assert.ok(ledger.end('c') > end)
  stopping = true
  await writers
  rmSync(filler)
  await ledger.untilTaken('d', large)
  await ledger.assertReadableDespiteRetention('c')
  await broker.stop()
})

for (const how of ['a clean stop', 'kill -9'] as const) {
  test(`a broker starts on a full disk after ${how}, serves what it has and frees space`, options, async t => {
    const disk = FileSystem.mount(t, { megabytes: 24 })
    const directory = join(disk.path, 'data')
    const config = { 'log.segment.bytes': String(1 << 20) }
    let broker = await BrokerProcess.start(t, directory, { config })
    let client = new DiskClient(broker)
    await reserveTaken(directory)
    await client.createTopic('a', 2)
    await client.createTopic('spare')
    let ledger = new Ledger(client)
    for (let i = 0; i < 20; i++) await ledger.produce('spare', large)
    for (let i = 0; i < 20; i++) await ledger.produce('a', 'small', i % 2)
    await ledger.fill('a', large)
    for (let round = 0; round < 2; round++) {
      if (how === 'kill -9') await broker.kill9()
      else await broker.stop()
      // Whatever the stop gave back is somebody else's before the next start; a reserve that was given up is not.
      disk.fill(`filler-${round}`, existsSync(join(directory, '.reserve')) ? 0 : reserveBytes)
      broker = await BrokerProcess.start(t, directory, { config })
      client = new DiskClient(broker)
      ledger = ledger.with(client)
      assert.deepEqual(await client.partitionErrors('a'), [ErrorCode.NONE, ErrorCode.NONE])
      await ledger.assertReadable()
      // What it trimmed at its start is little.
      assert.equal((await ledger.fill('a', large)).code, ErrorCode.KAFKA_STORAGE_ERROR)
    }
    assert.equal(await client.deleteTopic('spare'), ErrorCode.NONE)
    ledger.forget('spare')
    await ledger.untilTaken('a', large)
    await ledger.assertReadable()
    await broker.stop()
  })
}

test('a broker that has no reserve starts on a disk without a free block, and serves what it has', options, async t => {
  const disk = FileSystem.mount(t, { megabytes: 24 })
  const directory = join(disk.path, 'data')
  let broker = await BrokerProcess.start(t, directory)
  let client = new DiskClient(broker)
  await client.createTopic('a')
  let ledger = new Ledger(client)
  for (let i = 0; i < 20; i++) await ledger.produce('a', large)
  await broker.kill9()
  // The next one gives back what this one took ahead.
  broker = await BrokerProcess.start(t, directory)
  await broker.kill9()
  // As a broker that was killed in its first second leaves it.
  for (const name of ['.reserve', '.boot_id']) rmSync(join(directory, name), { force: true })
  disk.fill()
  broker = await BrokerProcess.start(t, directory)
  client = new DiskClient(broker)
  ledger = ledger.with(client)
  await broker.says('verifies as after a reboot')
  await ledger.assertReadable()
  assert.equal((await client.produce('a', [large])).code, ErrorCode.KAFKA_STORAGE_ERROR)
  await broker.stopAsItCan()
})

test('what idle partitions took ahead is given back when the disk is full', options, async t => {
  const disk = FileSystem.mount(t, { megabytes: 64 })
  const broker = await BrokerProcess.start(t, join(disk.path, 'data'))
  const client = new DiskClient(broker)
  await client.createTopic('idle', 6)
  await client.createTopic('busy')
  const ledger = new Ledger(client)
  // As far as just behind an extent's end: each holds about as much again as it has written.
  for (let partition = 0; partition < 6; partition++)
    for (let i = 0; i < 6; i++) await ledger.produce('idle', large, partition)
  await ledger.fill('busy', large)
  // Within the seconds in which nobody writes to them.
  await ledger.untilTaken('busy', large)
  await ledger.assertReadable()
  await broker.stop()
})

test('without inodes nothing is lost, topics are refused, and deleting one helps', options, async t => {
  const disk = FileSystem.mount(t, { megabytes: 48, inodes: 96 })
  const config = { 'log.segment.bytes': String(1 << 20) }
  const directory = join(disk.path, 'data')
  let broker = await BrokerProcess.start(t, directory, { config })
  let client = new DiskClient(broker)
  await client.createTopic('a')
  await reserveTaken(directory)
  await client.createTopic('spare', 4)
  let ledger = new Ledger(client)
  for (let partition = 0; partition < 4; partition++) await ledger.produce('spare', 'r', partition)
  const refused = await ledger.fill('a', large)
  assert.equal(refused.code, ErrorCode.KAFKA_STORAGE_ERROR)
  assert.ok(disk.freeBytes > 8 << 20, 'there are bytes left')
  assert.equal((await client.tryCreateTopic('late', 8)).code, ErrorCode.KAFKA_STORAGE_ERROR)
  await ledger.assertReadable()
  await broker.kill9()
  broker = await BrokerProcess.start(t, directory, { config })
  client = new DiskClient(broker)
  ledger = ledger.with(client)
  await ledger.assertReadable()
  assert.equal(await client.deleteTopic('spare'), ErrorCode.NONE)
  ledger.forget('spare')
  await ledger.untilTaken('a', large)
  await ledger.assertReadable()
  await broker.stop()
})
