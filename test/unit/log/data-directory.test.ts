import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/base/logger.ts'
import { OpenTrust } from '../../../src/base/world.ts'
import { openDataDirectory } from '../../../src/log/data-directory.ts'
import { FakeWorld } from '../../support/fake-world.ts'
import { Machine } from '../../support/machine.ts'

const path = '/data'
let ids = 0
const open = (machine: Machine, nodeId = 1) =>
  openDataDirectory(new FakeWorld(machine), silentLogger, { path, nodeId, newId: () => `id-${ids++}` })

const textOf = (machine: Machine, name: string) => new TextDecoder().decode(machine.files.get(`${path}/${name}`))

test('a fresh directory gets its identity, keeps it, and is clean', async () => {
  const machine = new Machine()
  const first = await open(machine)
  assert.equal(first.trust, OpenTrust.clean)
  assert.match(textOf(machine, 'meta.properties'), /^version=1\ncluster.id=id-\d+\nnode.id=1\ndirectory.id=id-\d+\n$/)
  first.release()
  const second = await open(machine)
  assert.deepEqual([second.clusterId, second.directoryId], [first.clusterId, first.directoryId])
})

test('a directory that another process holds is refused in words that name it', async () => {
  const machine = new Machine()
  const first = await open(machine)
  await assert.rejects(open(machine), { code: 'DATA_DIRECTORY_LOCKED', message: /\/data/ })
  first.release()
  await open(machine)
})

test('what is on the disk is trusted as it was left', async () => {
  const machine = new Machine()
  const trustAfter = async (leave: (directory: Awaited<ReturnType<typeof open>>) => Promise<void> | void) => {
    const directory = await open(machine)
    await directory.markOpened()
    await leave(directory)
    machine.killProcess()
    const next = await open(machine)
    await next.markOpened()
    await next.markClean()
    next.release()
    return next.trust
  }
  assert.equal(await trustAfter(directory => directory.markClean()), OpenTrust.clean)
  assert.equal(await trustAfter(() => {}), OpenTrust.sameBoot)
  assert.equal(await trustAfter(() => machine.losePower()), OpenTrust.reboot)
  assert.equal(await trustAfter(directory => directory.markFailed()), OpenTrust.reboot)
  assert.equal(await trustAfter(() => {}), OpenTrust.sameBoot, 'a clean stop ends the distrust')
})

test('the clean marker is gone before anything else is written', async () => {
  const machine = new Machine()
  const directory = await open(machine)
  await directory.markClean()
  assert.ok(machine.files.has(`${path}/.kafka_cleanshutdown`))
  directory.release()
  await open(machine)
  assert.equal(machine.files.has(`${path}/.kafka_cleanshutdown`), false)
})

test('a start that is killed after a reboot, before every log was recovered, is recovered as after the reboot', async () => {
  const machine = new Machine()
  await (await open(machine)).markOpened()
  machine.losePower()
  assert.equal((await open(machine)).trust, OpenTrust.reboot)
  machine.killProcess()
  const again = await open(machine)
  assert.equal(again.trust, OpenTrust.reboot)
  await again.markOpened()
  machine.killProcess()
  assert.equal((await open(machine)).trust, OpenTrust.sameBoot)
})

test('the directory of another node, or a damaged meta.properties, is refused and released', async () => {
  const machine = new Machine()
  const first = await open(machine)
  first.release()
  await assert.rejects(open(machine, 2), { code: 'META_PROPERTIES', message: /node 1.*node\.id is 2/ })
  machine.files.set(`${path}/meta.properties`, new TextEncoder().encode('version=1\nnode.id=1\n'))
  await assert.rejects(open(machine), { code: 'META_PROPERTIES', message: /not whole/ })
  assert.equal(machine.locks.size, 0)
})

test('a missing meta.properties beside logs refuses the start: a new one would call them clean', async () => {
  const machine = new Machine()
  const directory = await open(machine)
  directory.release()
  machine.makeDirectory(`${path}/t-0`)
  machine.files.delete(`${path}/meta.properties`)
  await assert.rejects(open(machine), /meta\.properties is missing, but logs are there: restore it/)
})

test('a disk that is full when the logs are open costs the next start a closer look, and this one nothing', async () => {
  const machine = new Machine()
  const world = new FakeWorld(machine)
  const fault = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  const directory = await openDataDirectory(world, silentLogger, { path, nodeId: 1, newId: () => 'id' })
  world.disk.fault = operation => (operation === 'replace' ? fault : undefined)
  await directory.markOpened()
  machine.killProcess()
  assert.equal((await open(machine)).trust, OpenTrust.reboot)
})

test('the mark of a boot that is there already is not written again: a full disk may have no room for it', async () => {
  const machine = new Machine()
  await (await open(machine)).markOpened()
  machine.killProcess()
  const world = new FakeWorld(machine)
  const directory = await openDataDirectory(world, silentLogger, { path, nodeId: 1, newId: () => 'id' })
  const calls: string[] = []
  world.disk.fault = (operation, file) => {
    calls.push(`${operation} ${file}`)
    return undefined
  }
  await directory.markOpened()
  assert.ok(!calls.some(call => call.startsWith('replace')), calls.join(', '))
})
