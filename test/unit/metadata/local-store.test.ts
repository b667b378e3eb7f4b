import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenTrust } from '../../../src/base/world.ts'
import { Durability } from '../../../src/log/durability.ts'
import { LocalMetadataStore } from '../../../src/metadata/local-store.ts'
import type { MetadataChange } from '../../../src/metadata/store.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { Machine } from '../../support/machine.ts'
import type { MemoryLog } from '../../support/memory-storage.ts'

const directory = '/data/metadata'

async function open(machine: Machine, trust: OpenTrust = OpenTrust.sameBoot) {
  const world = new FakeWorld(machine)
  const settle = async <T>(work: Promise<T>): Promise<T> => {
    work.catch(() => {})
    await world.time.settle()
    return await work
  }
  const store = await settle(LocalMetadataStore.open(world, new Durability(world.storage), directory, trust))
  const put = (key: string, value: unknown, revision?: number) =>
    settle(
      store.commit({
        compare: revision === undefined ? [] : [{ key, revision }],
        put: [{ key, value }],
        remove: [],
      }),
    )
  return { world, store, settle, put }
}

test('a transaction is whole or absent: every key it compares must have its revision', async () => {
  const { store, put, settle } = await open(new Machine())
  const first = await put('a', 1, 0)
  assert.ok(first.committed)
  assert.deepEqual(store.get('a'), { value: 1, revision: first.revision })
  assert.deepEqual(await put('a', 2, 0), { committed: false })
  const refused = await settle(
    store.commit({
      compare: [
        { key: 'a', revision: first.revision },
        { key: 'b', revision: 9 },
      ],
      put: [{ key: 'a', value: 3 }],
      remove: [],
    }),
  )
  assert.equal(refused.committed, false)
  assert.equal(store.get('a')!.value, 1)
  const second = await put('a', 4, first.revision)
  assert.ok(second.committed && second.revision > first.revision, 'revisions grow')
})

test('keys are listed by prefix, in order', async () => {
  const { store, put } = await open(new Machine())
  for (const key of ['topics/b', 'topics/a', 'other']) await put(key, key)
  assert.deepEqual(
    store.list('topics/').map(([key]) => key),
    ['topics/a', 'topics/b'],
  )
})

test('watchers see the changes under their prefix in order, until they stop', async () => {
  const { store, put, settle } = await open(new Machine())
  const seen: MetadataChange[] = []
  const stop = store.watch('a/', change => seen.push(change))
  await put('a/1', 'x')
  await put('b/1', 'y')
  await settle(store.commit({ compare: [], put: [{ key: 'a/2', value: 'z' }], remove: ['a/1'] }))
  stop()
  await put('a/3', 'w')
  assert.deepEqual(
    seen.map(({ key, entry }) => [key, entry?.value]),
    [
      ['a/1', 'x'],
      ['a/2', 'z'],
      ['a/1', undefined],
    ],
  )
})

test('nothing is seen before it is durable, and a power loss before that leaves nothing of it', async () => {
  const machine = new Machine()
  const { world, store, put } = await open(machine)
  await put('kept', 1)
  world.storage.holdFlushes = true
  const changes: MetadataChange[] = []
  store.watch('', change => changes.push(change))
  void store.commit({
    compare: [],
    put: [
      { key: 'x', value: 1 },
      { key: 'y', value: 2 },
    ],
    remove: ['kept'],
  })
  await world.time.settle()
  assert.deepEqual([store.get('x'), store.get('kept')?.value, changes.length], [undefined, 1, 0])
  machine.losePower()
  const after = (await open(machine, OpenTrust.reboot)).store
  assert.deepEqual([after.get('x'), after.get('y'), after.get('kept')?.value], [undefined, undefined, 1])
})

test('what a killed process left in the page cache is seen once it is durable, and then for good', async () => {
  const machine = new Machine()
  const first = await open(machine)
  first.world.storage.holdFlushes = true
  void first.store.commit({ compare: [], put: [{ key: 'x', value: 1 }], remove: [] })
  await first.world.time.settle()
  machine.killProcess()
  const { store } = await open(machine)
  assert.equal(store.get('x')!.value, 1)
  machine.losePower()
  assert.equal((await open(machine, OpenTrust.reboot)).store.get('x')?.value, 1)
})

test('what was committed is there after each kind of stop, with its revisions', async () => {
  const machine = new Machine()
  const first = await open(machine)
  await first.put('a', { deep: [1, 'two', null] })
  await first.put('b', 1)
  await first.settle(first.store.commit({ compare: [], put: [], remove: ['b'] }))
  const revision = first.store.get('a')!.revision
  for (const stop of [() => machine.killProcess(), () => machine.losePower()]) {
    stop()
    const { store } = await open(machine, OpenTrust.reboot)
    assert.deepEqual(store.get('a'), { value: { deep: [1, 'two', null] }, revision })
    assert.equal(store.get('b'), undefined)
  }
})

/** Enough to make the next opening rewrite the log. */
async function fill(machine: Machine): Promise<void> {
  const { put, store, settle } = await open(machine)
  const filler = 'x'.repeat(1 << 20)
  for (let i = 0; i < 5; i++) await put('filler', filler)
  await settle(store.commit({ compare: [], put: [{ key: 'small', value: 's' }], remove: ['filler'] }))
  machine.killProcess()
}

const sizeOf = (machine: Machine): number =>
  machine.logs.get(directory)!.batches.reduce((sum, batch) => sum + batch.bytes.length, 0)

test('a long log is rewritten as a snapshot when it is opened; revisions stay, later changes count', async () => {
  const machine = new Machine()
  await fill(machine)
  const { store, put } = await open(machine)
  assert.ok(sizeOf(machine) < 10_000, 'only the snapshot is left')
  const { revision } = store.get('small')!
  await put('later', 1)
  machine.killProcess()
  const again = (await open(machine)).store
  assert.deepEqual(again.get('small'), { value: 's', revision })
  assert.deepEqual([again.get('filler'), again.get('later')?.value], [undefined, 1])
})

test('a crash anywhere in a rewrite loses nothing and invents nothing', async () => {
  for (let survivors = 0; survivors <= 3; survivors++) {
    const machine = new Machine()
    await fill(machine)
    const before = machine.logs.get(directory)!
    const world = new FakeWorld(machine)
    world.storage.holdFlushes = true
    void LocalMetadataStore.open(world, new Durability(world.storage), directory, OpenTrust.clean)
    for (let flushes = 0; flushes < survivors; flushes++) {
      await world.time.settle()
      world.storage.flush()
    }
    await world.time.settle()
    machine.losePower()
    assert.ok(machine.logs.get(directory) === before)
    const { store, put } = await open(machine, OpenTrust.reboot)
    assert.equal(store.get('small')!.value, 's', `${survivors} batches of the snapshot survived`)
    await put('later', 1)
    machine.killProcess()
    const again = (await open(machine)).store
    assert.deepEqual([again.get('small')!.value, again.get('later')?.value], ['s', 1])
  }
})

test('a store whose disk fails refuses from then on, and says so', async () => {
  const { world, store, put } = await open(new Machine())
  await put('a', 1)
  world.storage.holdFlushes = true
  const waiting = store.commit({ compare: [], put: [{ key: 'b', value: 2 }], remove: [] })
  waiting.catch(() => {})
  await world.time.settle()
  const lease = await store.lease('controller')
  assert.equal(lease.held(), true)
  world.storage.fail(directory)
  await assert.rejects(waiting, { code: 'METADATA_FAILED' })
  await assert.rejects(put('c', 3), { code: 'METADATA_FAILED' })
  assert.deepEqual([store.get('b'), store.get('a')!.value, lease.held()], [undefined, 1, false])
})

test('the metadata of a machine that was rebooted are read from the disk, since nothing is in its page cache', async () => {
  const machine = new Machine()
  const before = await open(machine)
  await before.put('topics/a', { name: 'a' })
  await before.settle(before.store.close())
  const world = new FakeWorld(machine)
  const openWarm = world.storage.openLog.bind(world.storage)
  world.storage.openLog = async (...how) => {
    const opened = await openWarm(...how)
    ;(opened.log as MemoryLog).cold = () => true
    return opened
  }
  const opening = LocalMetadataStore.open(world, new Durability(world.storage), directory, OpenTrust.clean)
  await world.time.settle()
  assert.deepEqual((await opening).get('topics/a')!.value, { name: 'a' })
})

test('what its open cut away is told', async () => {
  const world = new FakeWorld(new Machine())
  const openLog = world.storage.openLog.bind(world.storage)
  world.storage.openLog = async (...asked) => {
    const opened = await openLog(...asked)
    return { ...opened, report: { ...opened.report, cutBytes: 512, cutFromOffset: 7 } }
  }
  const told: [number, number][] = []
  const opening = LocalMetadataStore.open(world, new Durability(world.storage), directory, OpenTrust.reboot, {
    onCut: (cutBytes, fromOffset) => told.push([cutBytes, fromOffset]),
  })
  await world.time.settle()
  await opening
  assert.deepEqual(told, [[512, 7]])
})
