import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenTrust } from '../../../src/base/world.ts'
import { Durability } from '../../../src/log/durability.ts'
import { UpgradeType } from '../../../src/metadata/feature-updates.ts'
import { FeatureLevels } from '../../../src/metadata/features.ts'
import { LocalMetadataStore } from '../../../src/metadata/local-store.ts'
import type { MetadataStore } from '../../../src/metadata/store.ts'
import { apiVersions } from '../../../src/protocol/schema/api-versions.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { Machine } from '../../support/machine.ts'
import { dataDirectory, testBroker } from '../../support/test-broker.ts'

async function openStore(machine = new Machine()): Promise<{ store: MetadataStore; machine: Machine }> {
  const world = new FakeWorld(machine)
  const opening = LocalMetadataStore.open(world, new Durability(world.storage), '/metadata', OpenTrust.sameBoot)
  let done = false
  opening.finally(() => (done = true)).catch(() => {})
  while (!done) await world.time.settle()
  const store = await opening
  const commit = store.commit.bind(store)
  store.commit = async transaction => {
    const outcome = commit(transaction)
    await world.time.settle()
    return await outcome
  }
  return { store, machine }
}

const setLevel = (store: MetadataStore, name: string, level: number) =>
  store.commit({ compare: [], put: [{ key: `features/${name}`, value: { level } }], remove: [] })

test('a new cluster begins at a metadata version that tools know, with KIP-848 groups, transactions v2 and without what is not there', async () => {
  const { store } = await openStore()
  const levels = await FeatureLevels.open(store)
  assert.deepEqual(levels.finalized, [
    { name: 'group.version', level: 1 },
    { name: 'metadata.version', level: 29 },
    { name: 'transaction.version', level: 2 },
  ])
  assert.deepEqual(levels.behind, [])
  for (const name of ['streams.version', 'share.version', 'no.such']) assert.equal(levels.level(name), 0, name)
})

test('levels are kept: they change when the store does, with a higher epoch, and are there at the next start', async () => {
  const { store, machine } = await openStore()
  const levels = await FeatureLevels.open(store)
  const before = levels.epoch
  await setLevel(store, 'metadata.version', 32)
  assert.equal(levels.level('metadata.version'), 32)
  assert.ok(levels.epoch > before)
  const again = await FeatureLevels.open((await openStore(machine)).store)
  assert.equal(again.level('metadata.version'), 32)
  assert.equal(again.epoch, levels.epoch)
})

test('a cluster of an older release keeps its levels, which the start names, until somebody raises them', async () => {
  const { store, machine } = await openStore()
  await setLevel(store, 'group.version', 0)
  const levels = await FeatureLevels.open(store)
  assert.deepEqual(levels.behind, [{ name: 'group.version', level: 0 }])
  const raise = { name: 'group.version', level: 1, upgradeType: UpgradeType.upgrade }
  assert.equal((await levels.change([raise], 1, false)).ok, true)
  assert.deepEqual(levels.behind, [])
  assert.equal((await FeatureLevels.open((await openStore(machine)).store)).level('group.version'), 1)
})

test('of two changes at once the second is decided on what the first has left', async () => {
  const { store } = await openStore()
  const levels = await FeatureLevels.open(store)
  const to = (level: number) => ({ name: 'metadata.version', level, upgradeType: UpgradeType.upgrade })
  const [first, second] = await Promise.all([levels.change([to(31)], 1, false), levels.change([to(30)], 1, false)])
  assert.deepEqual([first.ok, second.ok, levels.level('metadata.version')], [true, false, 31])
})

test('a level that this release does not know is refused at the start', async () => {
  const { store, machine } = await openStore()
  await setLevel(store, 'transaction.version', 3)
  await assert.rejects(FeatureLevels.open((await openStore(machine)).store), /level 3 of transaction.version/)
})

test('ApiVersions answers with the levels of the moment, and an epoch that grew', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const ask = () => client.call(apiVersions, 4, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })
  const first = await ask()
  assert.equal(broker.world.machine.exists(`${dataDirectory}/__cluster_metadata-0`), true)
  await broker.createTopic('t')
  const second = await ask()
  assert.equal(second.finalizedFeaturesEpoch, first.finalizedFeaturesEpoch, 'topics are no features')
  assert.deepEqual(second.finalizedFeatures, first.finalizedFeatures)
})
