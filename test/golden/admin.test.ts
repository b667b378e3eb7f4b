/**
 * Apache Kafka's answers to the rest of its administration, asked again of this broker in the same order, byte for byte.
 * What differs on purpose is left out where they are recorded (`capture/admin.ts`).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { updateFeatures } from '../../src/protocol/schema/update-features.ts'
import { testBroker } from '../support/test-broker.ts'
import { readFixture } from './fixture.ts'
import { assertSameAnswers } from './same-answers.ts'

const fixture = readFixture('admin')
/** Where a cluster of the recorded Kafka begins; one of ours begins lower. */
const metadataVersion = 33

test(`elections, moves, quotas, credentials, features and more are answered byte for byte as by ${fixture.broker}`, async t => {
  const broker = await testBroker(t, { listeners: 'PLAINTEXT://broker.example:9092' })
  const ids = [await broker.createTopic('t', 3), await broker.createTopic('u')]
  const raised = await broker.connect().call(updateFeatures, 2, {
    featureUpdates: [{ feature: 'metadata.version', maxVersionLevel: metadataVersion }],
  })
  assert.equal(raised.errorCode, 0)
  await assertSameAnswers(broker, fixture, ids)
})
