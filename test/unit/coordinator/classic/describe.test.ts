import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import { ClassicShard, subscription, text } from '../../../support/classic-shard.ts'

test('a stable group is described with its members, their metadata and assignments', () => {
  const shard = new ClassicShard()
  const [id] = shard.stable([{ groupInstanceId: 'i', clientId: 'app' }])
  assert.deepEqual(shard.classic.describe('g', 6), {
    errorCode: ErrorCode.NONE,
    groupId: 'g',
    groupState: 'Stable',
    protocolType: 'consumer',
    protocolData: 'range',
    members: [
      {
        memberId: id,
        groupInstanceId: 'i',
        clientId: 'app',
        clientHost: '/127.0.0.1',
        memberMetadata: subscription('topic'),
        memberAssignment: text(`of ${id}`),
      },
    ],
  })
})

test('a group that rebalances is described without protocol and metadata', () => {
  const shard = new ClassicShard()
  const [leader] = shard.stable(2)
  shard.join({ memberId: leader! })
  const { groupState, protocolData, members } = shard.classic.describe('g', 6)
  assert.deepEqual([groupState, protocolData, members.length], ['PreparingRebalance', '', 2])
  assert.deepEqual(
    members.map(({ memberMetadata }) => memberMetadata.byteLength),
    [0, 0],
  )
})

test('a group that is unknown is Dead, and from version 6 on an error', () => {
  const shard = new ClassicShard()
  assert.deepEqual(shard.classic.describe('g', 5), {
    errorCode: ErrorCode.NONE,
    groupId: 'g',
    groupState: 'Dead',
    protocolType: '',
    protocolData: '',
    members: [],
  })
  const { errorCode, errorMessage, groupState } = shard.classic.describe('g', 6)
  assert.deepEqual([errorCode, errorMessage, groupState], [ErrorCode.GROUP_ID_NOT_FOUND, 'Group g not found.', 'Dead'])
})
