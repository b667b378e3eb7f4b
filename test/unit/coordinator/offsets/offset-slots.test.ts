import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommittedOffset } from '../../../../src/coordinator/group/offsets/committed-offset.ts'
import { OffsetSlots } from '../../../../src/coordinator/group/offsets/offset-slots.ts'
import { type Uuid, zeroUuid } from '../../../../src/protocol/index.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid

const committed = (offset: number): CommittedOffset => ({
  offset,
  leaderEpoch: offset % 7,
  metadata: `m${offset}`,
  commitTimestamp: 1_700_000_000_000 + offset,
  expireTimestamp: -1,
  topicId,
})

test('each slot holds what was put into it, over many chunks', () => {
  const slots = new OffsetSlots()
  const given = Array.from({ length: 1_000 }, (_, offset) => slots.add(committed(offset), topicId))
  assert.equal(new Set(given).size, 1_000)
  for (const [offset, slot] of given.entries()) assert.deepEqual(slots.get(slot), committed(offset))
  assert.equal(slots.size, 1_000)
})

test('offsets and times are kept to the last safe integer', () => {
  const slots = new OffsetSlots()
  const extreme = { ...committed(Number.MAX_SAFE_INTEGER), expireTimestamp: Number.MAX_SAFE_INTEGER }
  assert.deepEqual(slots.get(slots.add(extreme, topicId)), extreme)
})

test('a slot that was left is the next to be given out, and the others stay as they are', () => {
  const slots = new OffsetSlots()
  const given = Array.from({ length: 300 }, (_, offset) => slots.add(committed(offset), topicId))
  slots.remove(given[17]!)
  slots.remove(given[280]!)
  assert.equal(slots.size, 298)
  const again = [slots.add(committed(1_000), zeroUuid), slots.add(committed(1_001), topicId)]
  assert.deepEqual(new Set(again), new Set([given[17], given[280]]))
  assert.deepEqual(slots.get(again[0]!), { ...committed(1_000), topicId: zeroUuid })
  assert.deepEqual(slots.get(given[18]!), committed(18))
})
