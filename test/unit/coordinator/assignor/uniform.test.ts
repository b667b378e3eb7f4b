import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countPartitions } from '../../../../src/coordinator/group/assignor/assignment.ts'
import { assignorNamed } from '../../../../src/coordinator/group/assignor/assignor.ts'
import { type GroupShape, inputOf, movedBetween, shown, topicId } from './groups.ts'

const assign = (shape: GroupShape) => assignorNamed('uniform')!.assign(inputOf(shape))
const everybody = (ids: string[], topics: number[]) => new Map(ids.map(id => [id, topics]))

test('the partitions of each topic go to members in turns', () => {
  assert.deepEqual(shown(assign({ partitions: [3, 2], members: everybody(['b', 'a'], [0, 1]) })), {
    a: '0-0 0-2 1-1',
    b: '0-1 1-0',
  })
})

test('a member that joins gets its share, and nothing else moves', () => {
  const before = assign({ partitions: [6], members: everybody(['a', 'b'], [0]) })
  const after = assign({ partitions: [6], members: everybody(['a', 'b', 'c'], [0]), assigned: before })
  assert.equal(movedBetween(before, after), 2)
  assert.equal(countPartitions(after.get('c')!), 2)
})

test('the one partition over stays with the member that had it, whichever it is', () => {
  const before = new Map([
    ['a', new Map([[topicId(0), new Set([0])]])],
    ['b', new Map([[topicId(0), new Set([1, 2])]])],
  ])
  const after = assign({ partitions: [3], members: everybody(['a', 'b'], [0]), assigned: before })
  assert.equal(after.get('a'), before.get('a'))
  assert.equal(after.get('b'), before.get('b'))
})

test('what a member had and is gone, not subscribed to or claimed by two is not its own', () => {
  const assigned = new Map([
    [
      'a',
      new Map([
        [topicId(0), new Set([0, 9])],
        [topicId(1), new Set([0])],
        [topicId(5), new Set([0])],
      ]),
    ],
    ['b', new Map([[topicId(0), new Set([0, 1])]])],
  ])
  const after = assign({ partitions: [2, 1], members: everybody(['a', 'b'], [0]), assigned })
  assert.deepEqual(shown(after), { a: '0-0', b: '0-1' })
})

test('members with one topic each leave the shared one to those that have none', () => {
  const members = new Map([
    ['a', [0, 2]],
    ['b', [1, 2]],
    ['c', [2]],
  ])
  const after = assign({ partitions: [4, 4, 4], members })
  assert.deepEqual(shown(after), { a: '0-0 0-1 0-2 0-3', b: '1-0 1-1 1-2 1-3', c: '2-0 2-1 2-2 2-3' })
})

test('what was given out unfairly before subscriptions differed is made fair', () => {
  const members = new Map([
    ['a', [0, 1]],
    ['b', [1]],
  ])
  const assigned = new Map([
    [
      'a',
      new Map([
        [topicId(0), new Set([0, 1])],
        [topicId(1), new Set([0, 1, 2, 3])],
      ]),
    ],
  ])
  const after = assign({ partitions: [2, 4], members, assigned })
  assert.deepEqual([countPartitions(after.get('a')!), countPartitions(after.get('b')!)], [3, 3])
  assert.deepEqual(assign({ partitions: [2, 4], members, assigned: after }), after)
})

test('a group without topics, or without members, has nothing to share', () => {
  assert.deepEqual(shown(assign({ partitions: [], members: everybody(['a'], []) })), { a: '' })
  assert.equal(assign({ partitions: [3], members: new Map() }).size, 0)
})
