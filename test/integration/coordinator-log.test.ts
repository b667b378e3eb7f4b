import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/index.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetDelete } from '../../src/protocol/schema/offset-delete.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { CompactedTopic } from './compacted-topic.ts'
import type { RawClient } from './raw-client.ts'

const log = '__consumer_offsets-0'
const groups = Array.from({ length: 8 }, (_, group) => `group-${group}`)
/** Segments are as small as a topic's may be, so commits are made large. */
const configs = {
  'offsets.topic.num.partitions': '1',
  'offsets.topic.segment.bytes': String(1 << 20),
  'log.cleaner.min.cleanable.ratio': '0.01',
}
const metadata = 'm'.repeat(4_000)

async function commit(client: RawClient, groupId: string, committedOffset: number): Promise<void> {
  const { topics } = await client.request(offsetCommit, 8, {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: metadata }] }],
  })
  assert.equal(topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
}

/** -1 when there is none. Asks again while the groups are loaded. */
async function committed(client: RawClient, groupId: string): Promise<number> {
  for (;;) {
    const answer = await client.request(offsetFetch, 7, { groupId, topics: null, requireStable: true })
    if (answer.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) continue
    assert.equal(answer.errorCode, ErrorCode.NONE)
    return answer.topics[0]?.partitions[0]?.committedOffset ?? -1
  }
}

async function bytesOf(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter(name => name.endsWith('.log'))
  const sizes = await Promise.all(names.map(async name => (await stat(join(directory, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('the log of groups is compacted under them, and they are loaded from what is left', {
  timeout: 120_000,
}, async t => {
  const topic = await CompactedTopic.make(t, {}, configs)
  const { client } = topic
  const found = await client.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: groups })
  assert.ok(found.coordinators.every(({ errorCode }) => errorCode === ErrorCode.NONE))
  const offsets = new Map<string, number>()
  const commitAll = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++)
      for (const groupId of groups) {
        const offset = (offsets.get(groupId) ?? 0) + 1
        await commit(client, groupId, offset)
        offsets.set(groupId, offset)
      }
  }
  await commitAll(80)
  const compacted = topic.log.until(({ fields, message }) => message === 'compacted' && fields.log === log)
  await commitAll(20)
  const gone = groups[0]!
  const deleted = await client.request(offsetDelete, 0, {
    groupId: gone,
    topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
  })
  assert.equal(deleted.errorCode, ErrorCode.NONE)
  offsets.delete(gone)
  await compacted
  const written = 100 * groups.length * metadata.length
  const left = await bytesOf(join(topic.directory, log))
  assert.ok(left < written / 2, `${left} bytes are left of ${written}`)
  const assertHolds = async (): Promise<void> => {
    for (const groupId of groups) assert.equal(await committed(topic.client, groupId), offsets.get(groupId) ?? -1)
  }
  await assertHolds()
  await topic.stop()
  await topic.start()
  await assertHolds()
  assert.deepEqual(topic.log.problems, [])
})

test('a broker without groups loads none, and one with some has them soon after its start', async t => {
  const topic = await CompactedTopic.make(t, {}, { ...configs, 'offsets.topic.num.partitions': '3' })
  const loads = (): number => topic.log.lines.filter(({ message }) => message.includes('coordinator was loaded')).length
  await topic.stop()
  await topic.start()
  await topic.client.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: groups })
  await topic.stop()
  await topic.start()
  assert.equal(loads(), 0)
  await commit(topic.client, 'a', 7)
  await topic.stop()
  const line = topic.log.lines.length
  await topic.start()
  const { fields } = await topic.log.until(({ message }) => message.includes('coordinator was loaded'), line)
  assert.equal(fields.records, 1)
  assert.equal(await committed(topic.client, 'a'), 7)
  assert.deepEqual(topic.log.problems, [])
})
