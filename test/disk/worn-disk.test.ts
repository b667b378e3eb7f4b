/** File systems that stop taking writes, and devices with less behind them than they say. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { cannotMount, FileSystem } from './lib/file-system.ts'
import { Scene, value } from './lib/scene.ts'

const { NONE, KAFKA_STORAGE_ERROR } = ErrorCode
const options = { skip: cannotMount() ?? false, timeout: 90_000 }

test(
  'on a file system that became read-only records are refused and read, and nothing acknowledged is lost',
  options,
  async t => {
    const disk = FileSystem.mount(t, { megabytes: 32 })
    const directory = join(disk.path, 'data')
    const config = { 'log.segment.bytes': String(1 << 20) }
    const scene = await Scene.set(t, { config }, 60, directory)
    disk.becomeReadOnly()
    for (const topic of ['a', 'other'])
      assert.equal((await scene.client.produce(topic, [value], { acks: 1 })).code, KAFKA_STORAGE_ERROR)
    assert.notEqual((await scene.client.tryCreateTopic('late')).code, NONE)
    assert.ok(scene.broker.running)
    await scene.broker.stopAsItCan()
    assert.match(await scene.refused(), /read-only|EROFS|report/i)
    disk.remount()
    await scene.start()
    await scene.ledger.assertReadable()
    await scene.ledger.produce('a', value)
    await scene.broker.stop()
  },
)

test(
  'a device that takes less than it says: what it does not take is not acknowledged, what was is there',
  options,
  async t => {
    const backing = FileSystem.mount(t, { megabytes: 24, kind: 'tmpfs' })
    const disk = FileSystem.mount(t, { megabytes: 96, imageIn: backing.path })
    const directory = join(disk.path, 'data')
    const scene = await Scene.set(t, { config: { 'log.segment.bytes': String(4 << 20) } }, 5, directory)
    const refused = await scene.ledger.fill('a', 'x'.repeat(200_000))
    assert.equal(refused.code, KAFKA_STORAGE_ERROR)
    assert.ok(scene.broker.running)
    await scene.broker.kill9()
    backing.resize(160)
    disk.remount()
    scene.asAfterReboot()
    await scene.start()
    await scene.ledger.assertReadable()
    await scene.ledger.untilTaken('a', value)
    await scene.broker.stop()
  },
)
