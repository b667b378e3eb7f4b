import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeRecordKey,
  decodeVersioned,
  encodeRecordKey,
  encodeVersioned,
  peekInt16,
  Reader,
  Writer,
} from '../../../src/protocol/index.ts'
import { groupMetadataRecord } from '../../../src/protocol/records-schema/group-metadata.ts'
import { offsetCommitRecord } from '../../../src/protocol/records-schema/offset-commit.ts'
import { consumerProtocolSubscription } from '../../../src/protocol/schema/consumer-protocol.ts'

test('a record key starts with its type, and equal keys have equal bytes', () => {
  const writer = new Writer()
  encodeRecordKey(writer, offsetCommitRecord, { group: 'g', topic: 't', partition: 2 })
  assert.equal(Buffer.from(writer.written()).toString('hex'), '000100016700017400000002')
  const reader = new Reader(writer.written())
  assert.equal(peekInt16(reader), 1)
  assert.deepEqual(decodeRecordKey(reader, offsetCommitRecord), { group: 'g', topic: 't', partition: 2 })
  reader.expectEnd()
  assert.throws(() => decodeRecordKey(new Reader(writer.written()), groupMetadataRecord), {
    reason: 'value-out-of-range',
    field: 'GroupMetadata',
  })
})

test('a value names the version it is read in', () => {
  const value = { offset: 7, leaderEpoch: 3, metadata: 'm', commitTimestamp: 1000 }
  const writer = new Writer()
  encodeVersioned(writer, offsetCommitRecord.value, 3, value)
  const reader = new Reader(writer.written())
  assert.equal(peekInt16(reader), 3)
  assert.deepEqual(decodeVersioned(reader, offsetCommitRecord.value), {
    ...value,
    expireTimestamp: -1,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
  })
  reader.expectEnd()
})

test('a newer version is refused, or read as the newest known one where fields are only ever added', () => {
  const writer = new Writer()
  encodeVersioned(writer, consumerProtocolSubscription, 3, { topics: ['a'], rackId: 'r' })
  const bytes = Buffer.concat([writer.written(), Buffer.from('more')])
  bytes.writeInt16BE(9)
  assert.throws(() => decodeVersioned(new Reader(bytes), consumerProtocolSubscription), {
    reason: 'unsupported-version',
  })
  const decoded = decodeVersioned(new Reader(bytes), consumerProtocolSubscription, { asNewest: true })
  assert.deepEqual([decoded.topics, decoded.rackId], [['a'], 'r'])
  bytes.writeInt16BE(-1)
  assert.throws(() => decodeVersioned(new Reader(bytes), consumerProtocolSubscription, { asNewest: true }), {
    reason: 'unsupported-version',
  })
  assert.throws(() => peekInt16(new Reader(new Uint8Array(1))), { reason: 'truncated' })
})
