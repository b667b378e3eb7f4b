import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignorNamed } from '../../../../src/coordinator/group/assignor/assignor.ts'
import { type GroupShape, inputOf, shown } from './groups.ts'

const assign = (shape: GroupShape) => assignorNamed('range')!.assign(inputOf(shape))

test('members get contiguous ranges, the first ones the larger, and the same of topics of one size', () => {
  const members = new Map([
    ['b', [0, 1]],
    ['a', [0, 1]],
  ])
  assert.deepEqual(shown(assign({ partitions: [3, 3], members })), { a: '0-0 0-1 1-0 1-1', b: '0-2 1-2' })
})

test('a topic is shared by its subscribers alone', () => {
  const members = new Map([
    ['a', [0, 1]],
    ['b', [1]],
    ['c', [0, 2]],
  ])
  assert.deepEqual(shown(assign({ partitions: [3, 2, 1], members })), {
    a: '0-0 0-1 1-0',
    b: '1-1',
    c: '0-2 2-0',
  })
})

test('members beyond the number of partitions have nothing, and a topic that is gone is no range', () => {
  const members = new Map(['a', 'b', 'c'].map(id => [id, [0, 7]]))
  assert.deepEqual(shown(assign({ partitions: [2], members })), { a: '0-0', b: '0-1', c: '' })
})

test('a static member that comes back under another id has the ranges that it had', () => {
  const instanceIds = new Map([
    ['x', 'i1'],
    ['y', 'i2'],
    ['a', 'i2'],
  ])
  const before = assign({ partitions: [4], members: new Map(['x', 'y', 'd'].map(id => [id, [0]])), instanceIds })
  assert.deepEqual(shown(before), { x: '0-0 0-1', y: '0-2', d: '0-3' })
  const after = assign({ partitions: [4], members: new Map(['a', 'd', 'x'].map(id => [id, [0]])), instanceIds })
  assert.deepEqual(shown(after), { x: '0-0 0-1', a: '0-2', d: '0-3' })
})

test('a member whose ranges stay keeps the very map, so that nothing is written for it', () => {
  const members = new Map(['a', 'b'].map(id => [id, [0]]))
  const before = assign({ partitions: [4], members })
  const after = assign({ partitions: [4], members, assigned: before })
  for (const [memberId, owned] of after) assert.equal(owned, before.get(memberId))
})
