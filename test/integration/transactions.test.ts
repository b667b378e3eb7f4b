import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode, errorName } from '../../src/protocol/index.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { type TestBroker, testBroker } from '../support/test-broker.ts'
import type { TestClient } from '../support/test-client.ts'
import { readValues, TransactionalClient, v1, v2 } from '../support/transactional-client.ts'

const names = (codes: readonly ErrorCode[]) => codes.map(errorName)
const few = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' }

async function brokerWith(t: Parameters<typeof testBroker>[0], topics: Record<string, number>, configs = {}) {
  const broker = await testBroker(t, { ...few, ...configs })
  for (const [name, partitions] of Object.entries(topics)) await broker.createTopic(name, partitions)
  return broker
}

async function findGroup(client: TestClient, groupId: string): Promise<void> {
  await client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] })
}

/** The offset that a group has committed for t-0, or the code that its members are told. */
async function committedOffset(client: TestClient, groupId: string, requireStable: boolean) {
  const { groups } = await client.call(offsetFetch, 9, {
    groups: [{ groupId, memberId: null, memberEpoch: -1, topics: [{ name: 't', partitionIndexes: [0] }] }],
    requireStable,
  })
  const { errorCode, committedOffset: offset } = groups[0]!.topics[0]!.partitions[0]!
  return errorCode === ErrorCode.NONE ? offset : errorName(errorCode)
}

const settled = (broker: TestBroker) => broker.world.time.settle()

for (const [protocol, versions] of [
  ['v1', v1],
  ['v2', v2],
] as const) {
  test(`a transaction over partitions and offsets is seen whole or not at all, in protocol ${protocol}`, async t => {
    const broker = await brokerWith(t, { t: 2 })
    const reader = broker.connect()
    await findGroup(reader, 'g')
    const producer = await new TransactionalClient(broker, 'tx', versions).begin()
    for (const committed of [true, false]) {
      const name = committed ? 'kept' : 'dropped'
      if (versions === v1) {
        const added = await producer.add(['t', 0], ['t', 1])
        assert.deepEqual(names(added), ['NONE', 'NONE'])
      }
      assert.equal(errorName(await producer.write('t', 0, `${name} 1`, `${name} 2`)), 'NONE')
      assert.equal(errorName(await producer.write('t', 1, `${name} 3`)), 'NONE')
      if (versions === v1) assert.equal(errorName(await producer.addOffsets('g')), 'NONE')
      assert.equal(errorName(await producer.commitOffset('g', 't', 0, committed ? 7 : 9)), 'NONE')
      const before = committed
        ? { zero: [], one: [], offset: -1 }
        : { zero: ['kept 1', 'kept 2'], one: ['kept 3'], offset: 7 }
      assert.deepEqual((await readValues(reader, 't', 0)).values, before.zero)
      assert.deepEqual((await readValues(reader, 't', 1)).values, before.one)
      assert.equal(await committedOffset(reader, 'g', false), before.offset)
      // Row 23: who wants what is stable is told to wait.
      assert.equal(await committedOffset(reader, 'g', true), 'UNSTABLE_OFFSET_COMMIT')
      assert.equal(errorName(await producer.end(committed)), 'NONE')
      await settled(broker)
      assert.deepEqual((await readValues(reader, 't', 0)).values, ['kept 1', 'kept 2'])
      assert.deepEqual((await readValues(reader, 't', 1)).values, ['kept 3'])
      assert.equal(await committedOffset(reader, 'g', true), 7)
    }
    assert.deepEqual((await readValues(reader, 't', 0, false)).values, ['kept 1', 'kept 2', 'dropped 1', 'dropped 2'])
    const { highWatermark, lastStableOffset } = await readValues(reader, 't', 1)
    assert.deepEqual([highWatermark, lastStableOffset], [4, 4])
  })
}
