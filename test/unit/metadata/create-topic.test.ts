import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NewTopic, planTopic, refuseTopicName } from '../../../src/metadata/create-topic.ts'
import { ClusterImage } from '../../../src/metadata/image.ts'
import { ErrorCode, type Uuid } from '../../../src/protocol/index.ts'

const defaults = { nodeId: 1, numPartitions: 3, replicationFactor: 1 }
const id = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
const asked = (more: Partial<NewTopic> = {}): NewTopic => ({
  name: 't',
  numPartitions: -1,
  replicationFactor: -1,
  assignments: [],
  configs: [],
  ...more,
})
const plan = (more: Partial<NewTopic>, image = new ClusterImage()) => planTopic(image, asked(more), defaults, () => id)

function codeOf(more: Partial<NewTopic>, image?: ClusterImage): ErrorCode {
  const planned = plan(more, image)
  return planned.ok ? ErrorCode.NONE : planned.error.code
}

function imageWith(...names: string[]): ClusterImage {
  const image = new ClusterImage()
  for (const name of names) image.put({ name, id, partitions: [], configs: {} })
  return image
}

test('names hold up to 249 of the legal characters, and are not one or two dots', () => {
  for (const name of ['a', 'A-b_c.9', '...', 'x'.repeat(249)]) assert.equal(refuseTopicName(name), undefined, name)
  for (const name of ['', '.', '..', 'x'.repeat(250), 'a b', 'a/b', 'ä', 'a\n', '\0'])
    assert.notEqual(refuseTopicName(name), undefined, JSON.stringify(name))
})

test('names that differ only in dots and underscores collide', () => {
  assert.equal(codeOf({ name: 'a_b' }, imageWith('a.b')), ErrorCode.INVALID_TOPIC_EXCEPTION)
  assert.equal(codeOf({ name: 'a.b' }, imageWith('a.b')), ErrorCode.TOPIC_ALREADY_EXISTS)
  assert.equal(codeOf({ name: 'ab' }, imageWith('a.b')), ErrorCode.NONE)
})

test("the name of the broker's own log is refused", () => {
  assert.equal(codeOf({ name: '__cluster_metadata' }), ErrorCode.INVALID_REQUEST)
})

test('counts come from the request, else from the broker, within bounds', () => {
  const planned = plan({})
  assert.ok(planned.ok)
  assert.equal(planned.value.partitions.length, 3)
  assert.deepEqual(planned.value.partitions[0], { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] })
  for (const numPartitions of [0, -2])
    assert.equal(codeOf({ numPartitions }), ErrorCode.INVALID_PARTITIONS, `${numPartitions}`)
  assert.equal(codeOf({ numPartitions: 10_001 }), ErrorCode.POLICY_VIOLATION)
  for (const replicationFactor of [0, -2])
    assert.equal(codeOf({ replicationFactor }), ErrorCode.INVALID_REPLICATION_FACTOR, `${replicationFactor}`)
})

// Compaction drops tombstones and markers by their age alone, which needs that nobody was away who lacks them.
test('row 28: a partition has no replica that could miss what compaction drops', () => {
  assert.equal(codeOf({ replicationFactor: 2 }), ErrorCode.INVALID_REPLICATION_FACTOR)
  const assignments = [{ partitionIndex: 0, brokerIds: [1, 2] }]
  assert.equal(codeOf({ assignments }), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
})

test('assignments name each partition from 0 on, once, with brokers that are there', () => {
  const assigned = (entries: readonly [number, number[]][]) =>
    entries.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds }))
  const codeFor = (...entries: [number, number[]][]) => codeOf({ assignments: assigned(entries) })
  assert.equal(codeFor([0, [1]], [1, [1]]), ErrorCode.NONE)
  assert.equal(codeFor([1, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  assert.equal(codeFor([0, [1]], [0, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  assert.equal(codeFor([0, [1]], [-1, [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  assert.equal(codeFor([0, []]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  assert.equal(codeFor([0, [1, 1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  assert.equal(codeFor([0, [2]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
  const assignments = assigned([[0, [1]]])
  assert.equal(codeOf({ assignments, numPartitions: 1 }), ErrorCode.INVALID_REQUEST)
  assert.equal(codeOf({ assignments, replicationFactor: 1 }), ErrorCode.INVALID_REQUEST)
})

test('configs are checked, and null is no value', () => {
  const codeFor = (name: string, value: string | null) => codeOf({ configs: [{ name, value }] })
  assert.equal(codeFor('retention.ms', '-1'), ErrorCode.NONE)
  assert.equal(codeFor('retention.ms', '-2'), ErrorCode.INVALID_CONFIG)
  assert.equal(codeFor('retention.ms', null), ErrorCode.INVALID_CONFIG)
  for (const name of ['no.such.config', 'constructor', 'toString', '__proto__'])
    assert.equal(codeFor(name, 'x'), ErrorCode.INVALID_CONFIG, name)
})
