/** A disk that reports errors: chosen system calls of the broker fail, or transfer less than was asked for. */
import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { type TestContext, test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { DiskClient } from './lib/client.ts'
import { Faults, withoutCompiler } from './lib/faults.ts'
import { Scene, value } from './lib/scene.ts'

const { EIO, EMFILE, ENOSPC } = constants.errno
const { NONE, KAFKA_STORAGE_ERROR, LEADER_NOT_AVAILABLE } = ErrorCode

const options = { skip: withoutCompiler, timeout: 90_000 }

/** A broker whose disk can be made bad. */
async function scene(t: TestContext, config: Readonly<Record<string, string>> = {}) {
  const faults = Faults.prepare(t)
  const set = await Scene.set(t, { config, env: faults.env })
  const start = async () => {
    await set.start()
    return set.broker
  }
  const { directory, broker, client, ledger } = set
  return { directory, faults, start, broker, client, ledger }
}

test('a write that fails is refused and has moved nothing; the next one is taken', options, async t => {
  const { faults, broker, client, ledger } = await scene(t)
  const fault = faults.inject({ calls: ['write'], path: '/a-0/', error: EIO, times: 2 })
  for (const acks of [-1, 1]) {
    const refused = await client.produce('a', [value], { acks })
    assert.equal(refused.code, KAFKA_STORAGE_ERROR)
    assert.match(refused.message ?? '', /disk reported an error/)
  }
  assert.equal(fault.hits(), 2)
  assert.deepEqual(await client.partitionErrors('a'), [NONE])
  assert.equal(await ledger.produce('a', 'after'), 5, 'no offset was spent')
  await ledger.produce('other', 'beside')
  await ledger.assertReadable()
  await broker.stop()
})

test('requests whose batches are written together are refused together, and nobody else is', options, async t => {
  const { faults, broker, start, client, ledger } = await scene(t)
  const values = ['w', 'x', 'y', 'z'].map(each => each.repeat(5000))
  let end = 5
  for (const error of [EIO, ENOSPC]) {
    faults.inject({ calls: ['write'], path: '/a-0/', error: 0, times: 1 }) // half of it is there
    const fault = faults.inject({ calls: ['write'], path: '/a-0/', error, times: 1 })
    const answers = await client.produceTogether('a', values)
    assert.equal(fault.hits(), 1)
    const taken = answers.filter(({ code }) => code === NONE).map(({ offset }) => offset)
    assert.deepEqual(
      taken,
      taken.map((_, index) => end + index),
    )
    assert.ok(taken.length < values.length)
    for (const { code } of answers) assert.ok(code === NONE || code === KAFKA_STORAGE_ERROR)
    end += taken.length
    const again = await client.produceTogether('a', values)
    assert.deepEqual(
      again.map(({ offset }) => offset),
      values.map((_, index) => end + index),
    )
    end += values.length
    assert.deepEqual(await client.partitionErrors('a'), [NONE])
  }
  assert.equal(await ledger.produce('a', 'after'), end)
  await broker.kill9()
  const next = await start()
  await ledger.with(new DiskClient(next)).produce('a', 'and after')
  await next.stop()
})

test('short writes and short reads are completed, and one that then fails leaves nothing behind', options, async t => {
  const { faults, broker, start, client, ledger } = await scene(t)
  const short = faults.inject({ calls: ['write', 'read', 'sendfile'], path: '/a-0/', error: 0 })
  for (let i = 0; i < 5; i++) await ledger.produce('a', `short ${i} ${value}`)
  await ledger.assertReadable()
  assert.ok(short.hits() > 10)
  short.end()
  faults.inject({ calls: ['write'], path: '/a-0/', error: 0, times: 1 })
  faults.inject({ calls: ['write'], path: '/a-0/', error: ENOSPC, times: 1 })
  assert.equal((await client.produce('a', [value])).code, KAFKA_STORAGE_ERROR)
  await broker.kill9()
  const again = await start()
  await ledger.with(new DiskClient(again)).assertReadable()
  await ledger.with(new DiskClient(again)).produce('a', 'small')
  await again.stop()
})

test(
  'a failed sync takes its partition offline, and no other; the next start verifies and brings it back',
  options,
  async t => {
    const { faults, broker, start, client, ledger } = await scene(t)
    faults.inject({ calls: ['fsync'], path: '/a-0/', error: EIO, times: 1 })
    const refused = await client.produce('a', ['not acknowledged'])
    assert.equal(refused.code, KAFKA_STORAGE_ERROR)
    assert.deepEqual(await client.partitionErrors('a'), [LEADER_NOT_AVAILABLE])
    assert.equal((await client.produce('a', ['later'])).code, KAFKA_STORAGE_ERROR)
    assert.equal((await client.fetch('a', 0))?.code, KAFKA_STORAGE_ERROR)
    assert.equal(await client.deleteRecords('a', 1), KAFKA_STORAGE_ERROR)
    assert.deepEqual(await client.partitionErrors('other'), [NONE])
    await ledger.produce('other', 'beside')
    assert.equal(broker.said('a log failed').length, 1)
    assert.equal(await broker.stopAsItCan(), 0)
    const again = await start()
    await again.says('verified above their recovery points')
    const later = ledger.with(new DiskClient(again))
    assert.deepEqual(await new DiskClient(again).partitionErrors('a'), [NONE])
    await later.assertReadable()
    await later.produce('a', 'again')
    await again.stop()
    const clean = await start()
    assert.equal(clean.said('verified above their recovery points').length, 0, 'a clean stop ends it')
    await clean.stop()
  },
)

test(
  'metadata that cannot be made durable are not answered for; what is there goes on, and the next start verifies',
  options,
  async t => {
    const { faults, broker, start, client, ledger } = await scene(t)
    faults.inject({ calls: ['fsync'], path: '/__cluster_metadata-0/', error: EIO, times: 1 })
    assert.notEqual((await client.tryCreateTopic('late')).code, NONE)
    assert.notEqual((await client.tryCreateTopic('later')).code, NONE)
    assert.notEqual(await client.deleteTopic('other'), NONE)
    await ledger.produce('a', 'goes on')
    await ledger.assertReadable()
    await broker.says('the cluster metadata take no more changes')
    await broker.stopAsItCan()
    const again = await start()
    await again.says('verified above their recovery points')
    const later = new DiskClient(again)
    await ledger.with(later).assertReadable()
    await later.createTopic('works')
    await again.stop()
  },
)

test(
  'records that cannot be read are an error or a closed connection, never other bytes; the rest is served',
  options,
  async t => {
    const { faults, broker, client, ledger } = await scene(t)
    const fault = faults.inject({ calls: ['sendfile'], path: '/a-0/', error: EIO })
    assert.equal(await client.fetch('a', 0), undefined, 'the connection is closed')
    assert.equal((await client.fetch('a', 0))?.code, KAFKA_STORAGE_ERROR)
    await ledger.produce('a', 'is written all the same')
    fault.end()
    assert.deepEqual(await client.partitionErrors('other'), [NONE])
    assert.equal((await client.fetch('other', 0))?.code, NONE)
    await broker.stop()
  },
)

test('a lookup that the disk fails is answered with an error, and works again when it does', options, async t => {
  const { faults, broker, start, ledger } = await scene(t)
  await broker.stop()
  const again = await start()
  const client = new DiskClient(again)
  const fault = faults.inject({ calls: ['read'], path: '/a-0/00000000000000000000.log', error: EIO })
  assert.equal((await client.fetch('a', 2))?.code, KAFKA_STORAGE_ERROR)
  assert.ok(fault.hits() > 0)
  assert.equal((await client.fetch('other', 2))?.code, NONE)
  fault.end()
  await ledger.with(client).assertReadable()
  await again.stop()
})

test('an index that cannot be read is made again from the log', options, async t => {
  const { faults, broker, start, ledger } = await scene(t)
  for (let i = 0; i < 50; i++) await ledger.produce('a', `${i} ${value}`)
  await broker.stop()
  const fault = faults.inject({ calls: ['read'], path: '/a-0/00000000000000000000.index', error: EIO })
  const again = await start()
  const client = new DiskClient(again)
  assert.deepEqual(await client.partitionErrors('a'), [NONE])
  for (const offset of [0, 25, 49]) {
    const got = await client.fetch('a', offset)
    assert.deepEqual([got?.code, got?.values[0]?.offset], [NONE, offset])
  }
  assert.ok(fault.hits() > 0)
  await ledger.with(client).assertReadable()
  await ledger.with(client).produce('a', 'r')
  await again.stop()
})

test('a log that could not be opened for want of descriptors comes back by itself', options, async t => {
  const { faults, broker, start, ledger } = await scene(t)
  await broker.stop()
  const fault = faults.inject({ calls: ['open'], path: '/a-0/', error: EMFILE })
  const again = await start()
  const client = new DiskClient(again)
  const later = ledger.with(client)
  assert.equal((await client.produce('a', ['r'])).code, KAFKA_STORAGE_ERROR)
  await later.produce('other', 'goes on')
  fault.end()
  await again.says('a log was opened')
  await later.produce('a', 'r')
  await later.assertReadable()
  await again.stop()
})

test('checkpoints and snapshots that cannot be written cost nothing but a longer start', options, async t => {
  const { faults, broker, start, ledger } = await scene(t, { 'log.segment.bytes': String(1 << 20) })
  const fault = faults.inject({ calls: ['write', 'rename'], path: '.tmp', error: EIO })
  for (let i = 0; i < 120; i++) await ledger.produce('a', `${i} ${value}`)
  await broker.log.until(line => line.includes('the checkpoints could not be written'), 10_000)
  assert.ok(fault.hits() > 0)
  await broker.stopAsItCan()
  fault.end()
  const again = await start()
  const later = ledger.with(new DiskClient(again))
  await later.assertReadable()
  await later.produce('a', 'r')
  await again.stop()
})
