import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { updateFeatures } from '../../../src/protocol/schema/update-features.ts'
import { Machine } from '../../support/machine.ts'
import { dataDirectory, TestBroker, testBroker } from '../../support/test-broker.ts'
import type { TestClient } from '../../support/test-client.ts'

const name = 'metadata.version'

const told = async (client: TestClient) => {
  const answer = await client.call(apiVersions, 3, { clientSoftwareName: 'c', clientSoftwareVersion: '1' })
  const level = answer.finalizedFeatures.find(feature => feature.name === name)?.maxVersionLevel
  return { level, epoch: answer.finalizedFeaturesEpoch }
}

type Update = readonly [feature: string, level: number, upgradeType?: number]

const update = (client: TestClient, updates: readonly Update[], { validateOnly = false, version = 2 } = {}) =>
  client.call(updateFeatures, version, {
    featureUpdates: updates.map(([feature, maxVersionLevel, upgradeType = 1]) => ({
      feature,
      maxVersionLevel,
      ...(version >= 1 ? { upgradeType } : { allowDowngrade: upgradeType === 2 }),
    })),
    ...(version >= 1 ? { validateOnly } : {}),
  })

for (const version of [0, 1, 2])
  test(`UpdateFeatures v${version} raises and lowers a level, and ApiVersions tells it with a higher epoch`, async t => {
    const client = (await testBroker(t)).connect()
    const before = await told(client)
    const raised = await update(client, [[name, 31]], { version })
    assert.equal(raised.errorCode, ErrorCode.NONE)
    const result = { feature: name, errorCode: ErrorCode.NONE, errorMessage: null }
    assert.deepEqual(raised.results, version <= 1 ? [result] : [])
    const after = await told(client)
    assert.equal(after.level, 31)
    assert.ok(after.epoch > before.epoch)
    assert.equal((await update(client, [[name, 30]], { version })).errorCode, ErrorCode.INVALID_UPDATE_VERSION)
    assert.equal((await update(client, [[name, 30, 2]], { version })).errorCode, ErrorCode.NONE)
    assert.equal((await told(client)).level, 30)
  })

test('a level is kept across a restart', async () => {
  const machine = new Machine()
  const first = await TestBroker.start({}, machine)
  await update(first.connect(), [[name, 33]])
  await first.stop()
  const second = await TestBroker.start({}, machine)
  assert.equal((await told(second.connect())).level, 33)
  await second.stop()
})

test('a start names the features that are below what a new cluster has', async () => {
  const machine = new Machine()
  const first = await TestBroker.start({}, machine)
  assert.equal(first.logger.has('kafka-features upgrade'), false)
  assert.equal((await update(first.connect(), [['group.version', 0, 2]])).errorCode, ErrorCode.NONE)
  await first.stop()
  const second = await TestBroker.start({}, machine)
  const line = second.logger.lines.find(({ message }) => message.includes('kafka-features upgrade'))
  assert.deepEqual(line?.fields, { feature: 'group.version', level: 0 })
  await second.stop()
})

test('what is only to be checked, and what is as it is, changes nothing', async t => {
  const client = (await testBroker(t)).connect()
  const before = await told(client)
  assert.equal((await update(client, [[name, 33]], { validateOnly: true })).errorCode, ErrorCode.NONE)
  assert.equal((await update(client, [[name, 29]])).errorCode, ErrorCode.NONE)
  assert.deepEqual(await told(client), before)
})

test('one feature that cannot be changed keeps all others as they are, and says which it is', async t => {
  const client = (await testBroker(t)).connect()
  const answer = await update(client, [
    [name, 33],
    ['share.version', 1],
  ])
  assert.equal(answer.errorCode, ErrorCode.INVALID_UPDATE_VERSION)
  assert.match(answer.errorMessage ?? '', /share\.version\. Local controller 1 does not support this feature/)
  assert.equal((await told(client)).level, 29)
})

test('levels that cannot be written are FEATURE_UPDATE_FAILED', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  broker.world.storage.fail(`${dataDirectory}/__cluster_metadata-0`)
  assert.equal((await update(client, [[name, 33]])).errorCode, ErrorCode.FEATURE_UPDATE_FAILED)
  assert.equal((await told(client)).level, 29)
})

test('more features than there could be are not looked at', async t => {
  const client = (await testBroker(t)).connect()
  const many = Array.from({ length: 101 }, (): Update => [name, 33])
  assert.equal((await update(client, many)).errorCode, ErrorCode.INVALID_REQUEST)
  assert.equal((await told(client)).level, 29)
})
