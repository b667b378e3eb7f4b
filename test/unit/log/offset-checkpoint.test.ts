import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOffsets } from '../../../src/log/checkpoint-files.ts'
import { OffsetCheckpoint } from '../../../src/log/offset-checkpoint.ts'
import { Machine } from '../../support/machine.ts'
import { MemoryDisk } from '../../support/memory-disk.ts'
import { RecordingLogger } from '../../support/test-broker.ts'

const file = '/d/checkpoint'

function prepare() {
  const machine = new Machine()
  machine.makeDirectory('/d')
  const disk = new MemoryDisk(machine)
  let pauses = 0
  const checkpoint = new OffsetCheckpoint(disk, file, async () => void pauses++)
  const held = () => {
    const entries = parseOffsets(new TextDecoder().decode(machine.files.get(file)))
    assert.ok(entries !== undefined, 'the file is whole')
    return new Map(entries.map(each => [`${each.topic}-${each.partition}`, each.offset]))
  }
  return { disk, checkpoint, held, pauses: () => pauses }
}

test('a checkpoint of many logs holds each of them through changes and removals, and is read back', async () => {
  const { disk, checkpoint, held } = prepare()
  const expected = new Map<string, number>()
  for (let i = 0; i < 2_000; i++) {
    checkpoint.set(`a-b-${i}`, i)
    expected.set(`a-b-${i}`, i)
  }
  await checkpoint.write()
  assert.deepEqual(held(), expected)
  for (let i = 0; i < 2_000; i += 3) {
    checkpoint.delete(`a-b-${i}`)
    expected.delete(`a-b-${i}`)
  }
  for (let i = 0; i < 500; i++) {
    checkpoint.set(`c-${i}`, 7)
    expected.set(`c-${i}`, 7)
  }
  await checkpoint.write()
  assert.deepEqual(held(), expected)
  const again = new OffsetCheckpoint(disk, file, async () => {})
  await again.load(new RecordingLogger())
  for (const [name, offset] of expected) assert.equal(again.get(name), offset)
})

test('one log that moves among 20,000 pauses nothing: the other lines are not formatted again', async () => {
  const { checkpoint, held, pauses } = prepare()
  for (let i = 0; i < 20_000; i++) checkpoint.set(`t-${i}`, i)
  await checkpoint.write()
  const first = pauses()
  assert.ok(first > 1, 'writing all is done in slices')
  checkpoint.set('t-777', 1_000_000)
  await checkpoint.write()
  assert.equal(pauses(), first)
  assert.equal(held().get('t-777'), 1_000_000)
  assert.equal(held().size, 20_000)
})

test('nothing is written while nothing changes; a failed write is made good by the next', async () => {
  const { disk, checkpoint, held } = prepare()
  let writes = 0
  disk.fault = operation => {
    if (operation === 'replace') writes++
    return writes === 2 ? new Error('EIO') : undefined
  }
  checkpoint.set('t-0', 1)
  await checkpoint.write()
  checkpoint.set('t-0', 1)
  await checkpoint.write()
  assert.equal(writes, 1)
  checkpoint.set('t-0', 2)
  await assert.rejects(checkpoint.write(), /EIO/)
  await checkpoint.write()
  assert.equal(held().get('t-0'), 2)
})

test('calls that come while a write runs share the next one, which holds what they set', async () => {
  const { disk, checkpoint, held } = prepare()
  let writes = 0
  let others: Promise<void>[] = []
  disk.fault = () => {
    if (++writes > 1) return undefined
    others = [1, 2, 3].map(i => {
      checkpoint.set(`t-${i}`, i)
      return checkpoint.write()
    })
    return undefined
  }
  checkpoint.set('t-0', 1)
  await checkpoint.write()
  await Promise.all(others)
  assert.equal(writes, 2)
  assert.equal(held().size, 4)
})
