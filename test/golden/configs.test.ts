/**
 * Apache Kafka's answers to changes and descriptions of configs, asked again of this broker in the same order: the bytes
 * are the same. What differs on purpose is left out where they are recorded (`capture/configs.ts`).
 */
import { test } from 'node:test'
import { testBroker } from '../support/test-broker.ts'
import { readFixture } from './fixture.ts'
import { assertSameAnswers } from './same-answers.ts'

const fixture = readFixture('configs')

test(`configs are described and changed byte for byte as by ${fixture.broker}`, async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'retention.ms': '5' })
  await assertSameAnswers(broker, fixture)
})
