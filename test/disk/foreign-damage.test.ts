/** Files that somebody else cuts, removes or changes, under a broker that serves them and between two starts. */
import assert from 'node:assert/strict'
import {
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { checkpointed } from './lib/eventually.ts'
import { Scene, value } from './lib/scene.ts'

const { NONE, KAFKA_STORAGE_ERROR, LEADER_NOT_AVAILABLE } = ErrorCode
const options = { skip: process.platform === 'linux' ? false : 'only Linux', timeout: 90_000 }
const log = 'a-0/00000000000000000000.log'
const index = 'a-0/00000000000000000000.index'

function flipBit(file: string, position: number): void {
  const descriptor = openSync(file, 'r+')
  const byte = new Uint8Array(1)
  readSync(descriptor, byte, 0, 1, position)
  writeSync(descriptor, Uint8Array.of(byte[0]! ^ 1), 0, 1, position)
  closeSync(descriptor)
}

/** Where the n-th batch begins: each holds one record. */
function batchAt(file: string, n: number): number {
  const bytes = readFileSync(file)
  let at = 0
  for (let i = 0; i < n; i++) at += 12 + bytes.readInt32BE(at + 8)
  return at
}

/** The partition is offline, says so, and nothing else is disturbed. */
async function assertOffline(scene: Scene): Promise<void> {
  const { client, ledger } = scene
  await scene.broker.says('its partition is offline')
  assert.deepEqual(await client.partitionErrors('a'), [LEADER_NOT_AVAILABLE])
  assert.equal((await client.produce('a', ['r'])).code, KAFKA_STORAGE_ERROR)
  assert.equal((await client.fetch('a', 0))?.code, KAFKA_STORAGE_ERROR)
  assert.deepEqual(await client.partitionErrors('other'), [NONE])
  await ledger.produce('other', 'beside')
  assert.equal((await client.fetch('other', 0))?.code, NONE)
}

for (const to of ['nothing', 'the middle of a batch'] as const) {
  test(
    `a segment cut to ${to} while it is written: no record is acknowledged into the hole, the partition goes offline`,
    options,
    async t => {
      const scene = await Scene.set(t)
      const file = scene.file(log)
      copyFileSync(file, scene.file('whole'))
      truncateSync(file, to === 'nothing' ? 0 : 30_000)
      assert.equal((await scene.client.produce('a', [value])).code, KAFKA_STORAGE_ERROR)
      await assertOffline(scene)
      assert.ok(scene.broker.running)
      await scene.broker.stopAsItCan()
      await scene.start()
      assert.deepEqual(
        await scene.client.partitionErrors('a'),
        [LEADER_NOT_AVAILABLE],
        'what is lost is not passed over',
      )
      await scene.broker.says('cannot be opened')
      await scene.broker.stopAsItCan()
      copyFileSync(scene.file('whole'), file)
      await scene.start()
      assert.deepEqual(await scene.client.partitionErrors('a'), [NONE], 'the files are right again')
      scene.ledger.forget('other')
      await scene.ledger.assertReadable()
      await scene.ledger.produce('a', 'r')
      await scene.broker.stop()
    },
  )
}

test(
  'a segment that is cut while it is fetched ends the connection, then takes the partition offline',
  options,
  async t => {
    const scene = await Scene.set(t)
    assert.equal((await scene.client.fetch('a', 0))?.values.length, 5)
    truncateSync(scene.file(log), 30_000)
    // What was looked up before the cut may still be sent, as far as it is there; never anything in its place.
    for (let tries = 0; tries < 3; tries++) {
      const got = await scene.client.fetch('a', 0)
      if (got?.code === KAFKA_STORAGE_ERROR) break
      assert.ok(got === undefined, 'a fetch is not answered with less than it says')
    }
    await assertOffline(scene)
    await scene.broker.stopAsItCan()
  },
)

test(
  'a removed segment is not written any further: the partition goes offline, not the broker down',
  options,
  async t => {
    const scene = await Scene.set(t)
    rmSync(scene.file(log))
    assert.equal((await scene.client.produce('a', [value])).code, KAFKA_STORAGE_ERROR)
    await assertOffline(scene)
    await scene.broker.stopAsItCan()
  },
)

test(
  'a removed segment that was rolled is read as long as it is open, and missed by the next start',
  options,
  async t => {
    const scene = await Scene.set(t, { config: { 'log.segment.bytes': String(1 << 20) } }, 60)
    // Before, nothing is known of records below the first segment that is there.
    await checkpointed(scene.directory, 'a', 0, 60)
    rmSync(scene.file(log))
    const got = await scene.client.fetch('a', 0)
    assert.ok(got?.code === KAFKA_STORAGE_ERROR || got?.values[0]?.value.startsWith('0 '))
    await scene.ledger.produce('other', 'beside')
    await scene.broker.kill9()
    await scene.start()
    await assertOffline(scene)
    await scene.broker.stopAsItCan()
  },
)

test('an index cut or removed under a broker is made again, and no record is missed', options, async t => {
  const scene = await Scene.set(t, {}, 60)
  await scene.broker.stop()
  await scene.start()
  await scene.ledger.assertReadable()
  truncateSync(scene.file(index), 3)
  for (const offset of [0, 31, 59]) {
    const got = await scene.client.fetch('a', offset, { bytes: 100 })
    assert.deepEqual([got?.code, got?.values[0]?.offset], [NONE, offset])
  }
  rmSync(scene.file(index))
  await scene.ledger.produce('a', value)
  await scene.ledger.assertReadable()
  await scene.broker.stop()
  await scene.start()
  assert.deepEqual(await scene.client.partitionErrors('a'), [NONE])
  await scene.ledger.assertReadable()
  await scene.broker.stop()
})

test("a flipped bit in a record is sent as it is, and the batch's checksum tells the consumer", options, async t => {
  const scene = await Scene.set(t)
  flipBit(scene.file(log), batchAt(scene.file(log), 2) + 5_000)
  const got = await scene.client.fetch('a', 0)
  assert.equal(got?.code, NONE)
  assert.deepEqual([got.damaged, got.values.map(({ offset }) => offset)], [1, [0, 1, 3, 4]])
  await scene.broker.stop()
})

test('a flipped bit in a header that a lookup meets takes the partition offline', options, async t => {
  const scene = await Scene.set(t)
  await scene.broker.stop()
  await scene.start()
  flipBit(scene.file(log), batchAt(scene.file(log), 2) + 16) // magic
  assert.equal((await scene.client.fetch('a', 2))?.code, KAFKA_STORAGE_ERROR)
  await assertOffline(scene)
  await scene.broker.stopAsItCan()
})

test(
  'after kill -9 a batch that was whole and is not any more is damage, not a torn append: nothing is cut',
  options,
  async t => {
    const scene = await Scene.set(t)
    await scene.broker.kill9()
    const file = scene.file(log)
    flipBit(file, batchAt(file, 3) + 16)
    const before = readFileSync(file)
    rmSync(scene.file('recovery-point-offset-checkpoint'), { force: true })
    await scene.start()
    await assertOffline(scene)
    await scene.broker.stopAsItCan()
    assert.deepEqual(readFileSync(file), before)
  },
)

for (const where of ['below', 'above'] as const) {
  test(
    `after a reboot a flipped bit ${where} the recovery point is ${where === 'below' ? 'never cut away' : 'cut aside, and said'}`,
    options,
    async t => {
      const scene = await Scene.set(t)
      // The recovery point passes what is there; what comes now is above it.
      await scene.broker.stop()
      await scene.start()
      await scene.ledger.produce('a', 'the last')
      await scene.broker.kill9()
      scene.asAfterReboot()
      const file = scene.file(log)
      const content = `0\n2\na 0 5\nother 0 5\n`
      const checkpoint = openSync(scene.file('recovery-point-offset-checkpoint'), 'w')
      writeSync(checkpoint, content)
      closeSync(checkpoint)
      flipBit(file, batchAt(file, where === 'below' ? 4 : 5) + 16)
      const size = statSync(file).size
      await scene.start()
      if (where === 'below') {
        assert.deepEqual(await scene.client.partitionErrors('a'), [LEADER_NOT_AVAILABLE])
        assert.equal(statSync(file).size, size)
        await scene.broker.stopAsItCan()
        return
      }
      assert.deepEqual(await scene.client.partitionErrors('a'), [NONE])
      await scene.broker.says('"cutFromOffset":5')
      assert.equal((await scene.client.readAll('a')).size, 5)
      assert.deepEqual(await scene.client.partitionErrors('other'), [NONE])
      await scene.broker.stop()
    },
  )
}
