import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { alterClientQuotas } from '../../../src/protocol/schema/alter-client-quotas.ts'
import { alterUserScramCredentials } from '../../../src/protocol/schema/alter-user-scram-credentials.ts'
import { describeTransactions } from '../../../src/protocol/schema/describe-transactions.ts'
import { electLeaders } from '../../../src/protocol/schema/elect-leaders.ts'
import { dataDirectory, testBroker } from '../../support/test-broker.ts'

test('a quota that is well-formed is refused, as nothing would hold it', async t => {
  const client = (await testBroker(t)).connect()
  for (const validateOnly of [false, true]) {
    const { entries } = await client.call(alterClientQuotas, 1, {
      entries: [
        {
          entity: [
            { entityType: 'user', entityName: null },
            { entityType: 'client-id', entityName: 'c' },
          ],
          ops: [
            { key: 'request_percentage', value: 12.5, remove: false },
            { key: 'producer_byte_rate', value: 0, remove: true },
          ],
        },
      ],
      validateOnly,
    })
    assert.equal(entries[0]!.errorCode, ErrorCode.UNSUPPORTED_VERSION)
    assert.match(entries[0]!.errorMessage ?? '', /enforces no client quotas/)
  }
})

test('an entity with more changes than there are quotas is not looked at', async t => {
  const client = (await testBroker(t)).connect()
  const ops = Array.from({ length: 101 }, (_, i) => ({ key: `k${i}`, value: 1, remove: true }))
  const entity = [{ entityType: 'user', entityName: 'a' }]
  const { entries } = await client.call(alterClientQuotas, 1, { entries: [{ entity, ops }], validateOnly: false })
  assert.equal(entries[0]!.errorCode, ErrorCode.INVALID_REQUEST)
})

test('credentials that are well-formed are refused, as nothing would check them', async t => {
  const client = (await testBroker(t)).connect()
  const upsertion = (name: string) => {
    return { name, mechanism: 2, iterations: 8_192, salt: Buffer.from('s'), saltedPassword: Buffer.from('p') }
  }
  const { results } = await client.call(alterUserScramCredentials, 0, {
    deletions: [],
    upsertions: [upsertion('a'), upsertion('b'), upsertion('b')],
  })
  assert.deepEqual(
    results.map(({ user, errorCode }) => [user, errorCode]),
    [
      ['a', ErrorCode.UNSUPPORTED_VERSION],
      ['b', ErrorCode.DUPLICATE_RESOURCE],
    ],
  )
})

test('an election everywhere tells each topic, and none of the partitions that have their leader', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('a', 3)
  await broker.createTopic('b')
  for (const electionType of [0, 1]) {
    const answer = await broker.connect().call(electLeaders, 2, { electionType, topicPartitions: null })
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.deepEqual(answer.replicaElectionResults, [
      { topic: 'a', partitionResult: [] },
      { topic: 'b', partitionResult: [] },
    ])
  }
})

test('a partition whose log failed has nobody to elect', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('a', 2)
  broker.world.storage.fail(`${dataDirectory}/a-1`)
  await broker.world.time.settle()
  const client = broker.connect()
  for (const [electionType, code] of [
    [0, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE],
    [1, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE],
  ] as const) {
    const { replicaElectionResults } = await client.call(electLeaders, 2, { electionType, topicPartitions: null })
    const [{ partitionResult }] = replicaElectionResults as [(typeof replicaElectionResults)[number]]
    assert.deepEqual(
      partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode]),
      [[1, code]],
    )
  }
})

test('no transaction has an id that is known', async t => {
  const client = (await testBroker(t)).connect()
  const { transactionStates } = await client.call(describeTransactions, 0, { transactionalIds: ['x', ''] })
  assert.deepEqual(
    transactionStates.map(({ transactionalId, errorCode }) => [transactionalId, errorCode]),
    [
      ['x', ErrorCode.TRANSACTIONAL_ID_NOT_FOUND],
      ['', ErrorCode.INVALID_REQUEST],
    ],
  )
})
