/**
 * Apache Kafka's answers to the administration of topics, asked again of this broker in the same order: the bytes are the
 * same but for the ids, which are blanked. What differs on purpose is left out where they are recorded
 * (`capture/topics.ts`).
 */
import { test } from 'node:test'
import { batchOf, produceOne, testBroker } from '../support/test-broker.ts'
import { readFixture } from './fixture.ts'
import { assertSameAnswers } from './same-answers.ts'

const fixture = readFixture('topics')

test(`topics are made, described, grown, trimmed and deleted byte for byte as by ${fixture.broker}`, async t => {
  const broker = await testBroker(t, { listeners: 'PLAINTEXT://broker.example:9092' })
  const ids = [await broker.createTopic('t', 3), await broker.createTopic('u')]
  await produceOne(broker.connect(), 't', batchOf(['a', 'b', 'c']))
  await assertSameAnswers(broker, fixture, ids)
})
