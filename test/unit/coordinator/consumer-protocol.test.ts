import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  consumerProtocolVersion,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/coordinator/group/consumer-protocol.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 300)
const plain = { noNullPrototype: true }
const topicPartitions = fc.array(
  fc.record(
    {
      topic: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
      partitions: fc.array(fc.nat(1000), { maxLength: 5 }),
    },
    plain,
  ),
  { maxLength: 4 },
)
const subscription = fc.record(
  {
    topics: fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 20 }), { maxLength: 4 }),
    userData: fc.option(fc.uint8Array({ maxLength: 20 })),
    ownedPartitions: topicPartitions,
    generationId: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
    rackId: fc.option(fc.string({ unit: 'grapheme-ascii', maxLength: 8 })),
  },
  plain,
)

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('a subscription is read in each version as the consumer wrote it', () => {
  const topics = '00000001 0001 61'
  const first = decodeSubscription(hex(`0000 ${topics} ffffffff`))
  assert.deepEqual(first, {
    ok: true,
    value: { topics: ['a'], userData: null, ownedPartitions: [], generationId: -1, rackId: null },
  })
  const owned = '00000001 0001 61 00000002 00000000 00000003'
  const newest = decodeSubscription(hex(`0003 ${topics} 00000001 07 ${owned} 00000005 0002 7231`))
  assert.ok(newest.ok)
  assert.deepEqual(newest.value.ownedPartitions, [{ topic: 'a', partitions: [0, 3] }])
  assert.deepEqual([newest.value.generationId, newest.value.rackId], [5, 'r1'])
})

test('what was written is read again, in every version, with the fields that it has', () => {
  fc.assert(
    fc.property(subscription, fc.integer({ min: 0, max: 3 }), (given, version) => {
      const read = decodeSubscription(encodeSubscription(version, given))
      assert.deepEqual(read, {
        ok: true,
        value: {
          ...given,
          ownedPartitions: version >= 1 ? given.ownedPartitions : [],
          generationId: version >= 2 ? given.generationId : -1,
          rackId: version >= 3 ? given.rackId : null,
        },
      })
    }),
    { numRuns: runs },
  )
  fc.assert(
    fc.property(topicPartitions, fc.integer({ min: 0, max: 3 }), (assignedPartitions, version) => {
      const bytes = encodeAssignment(version, assignedPartitions)
      assert.equal(consumerProtocolVersion(bytes), version)
      assert.deepEqual(decodeAssignment(bytes), { ok: true, value: { assignedPartitions, userData: null } })
    }),
    { numRuns: runs },
  )
})

test('a newer version is read as the newest known one, whatever follows', () => {
  const bytes = encodeSubscription(3, { topics: ['a'], ownedPartitions: [], rackId: 'r' })
  new DataView(bytes.buffer, bytes.byteOffset).setInt16(0, 17)
  const newer = decodeSubscription(Buffer.concat([bytes, Buffer.from('more')]))
  assert.ok(newer.ok)
  assert.equal(newer.value.rackId, 'r')
  assert.equal(consumerProtocolVersion(bytes), 3)
})

test('a member without an assignment has none of anything', () => {
  assert.deepEqual(decodeAssignment(new Uint8Array(0)), { ok: true, value: { assignedPartitions: [], userData: null } })
  assert.equal(decodeSubscription(new Uint8Array(0)).ok, false)
  assert.equal(consumerProtocolVersion(new Uint8Array(1)), undefined)
  assert.equal(consumerProtocolVersion(hex('ffff')), undefined)
})

test('malformed bytes are an error value that names the message, never an exception', () => {
  const refused = decodeSubscription(hex('ffff 00000000'))
  assert.ok(!refused.ok)
  assert.match(refused.error, /^ConsumerProtocolSubscription: unsupported-version/)
  assert.equal(decodeSubscription(hex('0001 7fffffff')).ok, false)
  const damage = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 })
  fc.assert(
    fc.property(subscription, fc.integer({ min: 0, max: 3 }), damage, fc.nat(200), (given, version, flips, cut) => {
      const bytes = encodeSubscription(version, given)
      for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
      const damaged = bytes.subarray(0, Math.max(bytes.length - cut, 0))
      for (const read of [decodeSubscription(damaged), decodeAssignment(damaged)]) {
        assert.equal(typeof (read.ok ? read.value : read.error), read.ok ? 'object' : 'string')
      }
      consumerProtocolVersion(damaged)
    }),
    { numRuns: runs * 3 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      decodeSubscription(bytes)
      decodeAssignment(bytes)
    }),
    { numRuns: runs * 3 },
  )
})
