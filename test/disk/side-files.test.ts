/** The files around the logs, damaged in every way between two starts: made again, or refused with what to do. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { Scene, value } from './lib/scene.ts'

const { NONE } = ErrorCode
const options = { skip: process.platform === 'linux' ? false : 'only Linux', timeout: 90_000 }

const damages: Record<string, (before: Buffer) => Buffer | undefined> = {
  missing: () => undefined,
  empty: () => Buffer.alloc(0),
  garbage: before => Buffer.from(before.map((_, i) => (i * 151 + 87) & 0xff)),
  'cut short': before => before.subarray(0, before.length >> 1),
  'zeros, as after a power loss': before => Buffer.alloc(before.length),
}

function damage(file: string, how: string): void {
  const after = damages[how]!(readFileSync(file))
  if (after === undefined) rmSync(file)
  else writeFileSync(file, after)
}

const snapshotOf = (scene: Scene): string =>
  `a-0/${readdirSync(scene.file('a-0'))
    .filter(name => name.endsWith('.snapshot'))
    .sort()
    .at(-1)}`

/** Files that are copies of something: nothing is lost with them. */
const rebuilt: Record<string, (scene: Scene) => string> = {
  'recovery-point-offset-checkpoint': () => 'recovery-point-offset-checkpoint',
  'log-start-offset-checkpoint': () => 'log-start-offset-checkpoint',
  'leader-epoch-checkpoint': () => 'a-0/leader-epoch-checkpoint',
  'the producer snapshot': snapshotOf,
  'partition.metadata': () => 'a-0/partition.metadata',
  'the offset index': () => 'a-0/00000000000000000000.index',
  'the time index': () => 'a-0/00000000000000000000.timeindex',
  '.boot_id': () => '.boot_id',
}

for (const [name, path] of Object.entries(rebuilt)) {
  test(
    `${name}, damaged in any way: the partition is served whole, after a clean stop and after kill -9`,
    options,
    async t => {
      const scene = await Scene.set(t, {}, 12)
      await scene.broker.stop()
      for (const how of Object.keys(damages)) {
        damage(scene.file(path(scene)), how)
        await scene.start()
        assert.deepEqual(await scene.client.partitionErrors('a'), [NONE], `${how}, clean stop`)
        await scene.ledger.assertReadable()
        await scene.ledger.produce('a', value)
        await scene.broker.stop()
      }
      for (const how of Object.keys(damages)) {
        await scene.start()
        await scene.ledger.produce('a', value)
        await scene.broker.kill9()
        try {
          damage(scene.file(path(scene)), how)
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT') // Nothing of it is on the disk yet.
        }
        await scene.start()
        assert.deepEqual(await scene.client.partitionErrors('a'), [NONE], `${how}, kill -9`)
        await scene.ledger.assertReadable()
        await scene.broker.stop()
      }
    },
  )
}

test('meta.properties that is not whole refuses the start and says what to do', options, async t => {
  const scene = await Scene.set(t)
  await scene.broker.stop()
  const file = scene.file('meta.properties')
  const before = readFileSync(file)
  for (const how of Object.keys(damages)) {
    damage(file, how)
    assert.match(await scene.refused(), /meta\.properties is (not whole|missing).*restore/i, how)
    writeFileSync(file, before)
  }
  await scene.start()
  await scene.ledger.assertReadable()
  await scene.broker.stop()
})

test('damaged cluster metadata refuse the start, say what to do, and leave every file as it was', options, async t => {
  const scene = await Scene.set(t)
  await scene.broker.stop()
  const file = scene.file('__cluster_metadata-0/00000000000000000000.log')
  const before = readFileSync(file)
  for (const at of [60, before.indexOf('other') + 1, before.length - 3]) {
    const after = Buffer.from(before)
    after[at]! ^= 1
    writeFileSync(file, after)
    const said = await scene.refused()
    assert.match(said, /restore/, `a bit at ${at}`)
    assert.deepEqual(readFileSync(file), after)
    assert.ok(readdirSync(scene.directory).includes('a-0'), 'no topic is taken for a stray')
    writeFileSync(file, before)
  }
  await scene.start()
  await scene.ledger.assertReadable()
  await scene.broker.stop()
})

test('a directory that says it belongs to another topic is refused, not replaced by an empty one', options, async t => {
  const scene = await Scene.set(t)
  await scene.broker.stop()
  const file = scene.file('a-0/partition.metadata')
  const before = readFileSync(file, 'utf8')
  const id = /topic_id: (.)/.exec(before)![1]!
  writeFileSync(file, before.replace(`topic_id: ${id}`, `topic_id: ${id === 'A' ? 'B' : 'A'}`))
  await scene.start()
  assert.deepEqual(await scene.client.partitionErrors('a'), [ErrorCode.LEADER_NOT_AVAILABLE])
  await scene.broker.says('partition.metadata')
  assert.ok(readdirSync(scene.directory).includes('a-0'))
  await scene.broker.stopAsItCan()
  writeFileSync(file, before)
  await scene.start()
  await scene.ledger.assertReadable()
  await scene.broker.stop()
})
