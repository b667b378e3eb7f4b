/**
 * Apache Kafka's answers to the administration of topics, asked again of this broker in the same order: the bytes are the
 * same but for the ids, which are blanked. What differs on purpose is left out where they are recorded
 * (`capture/topics.ts`).
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { apiName, uuidToBytes } from '../../src/protocol/index.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { batchOf, produceOne, testBroker } from '../support/test-broker.ts'
import { blank, type Fixture } from './fixture.ts'

const fixturesDir = new URL('./fixtures/', import.meta.url)
const file = readdirSync(fixturesDir).find(name => name.startsWith('topics-'))
assert.ok(file !== undefined, 'the answers are recorded')
const { exchanges, broker: kafka } = JSON.parse(readFileSync(new URL(file, fixturesDir), 'utf8')) as Fixture

test(`topics are made, described, grown, trimmed and deleted byte for byte as by ${kafka}`, async t => {
  const broker = await testBroker(t, { listeners: 'PLAINTEXT://broker.example:9092' })
  const client = broker.connect()
  const ids = [await broker.createTopic('t', 3), await broker.createTopic('u')]
  await produceOne(client, 't', batchOf(['a', 'b', 'c']))
  const { clusterId } = await client.call(metadata, 12, { topics: [] })
  const secrets = [...ids.map(id => uuidToBytes(id)), Buffer.from(clusterId!)]
  const { network, time } = broker.world
  const answers: Uint8Array[] = []
  let connection = -1
  let closed = false
  network.connect(id => {
    connection = id
    return {
      connection: id,
      onBytes: bytes => void answers.push(bytes.slice(4)),
      onClosed() {
        closed = true
      },
    }
  }, 0)
  for (const [i, exchange] of exchanges.entries()) {
    network.deliver([{ connection, frame: Buffer.from(exchange.request, 'hex') }])
    while (answers.length === 0 && !closed) await time.settle()
    const what = `exchange ${i}: ${apiName(exchange.api)} v${exchange.version}`
    assert.equal(closed, false, what)
    const kafkas = Buffer.from(exchange.response ?? '', 'hex')
    assert.equal(blank(answers.pop()!, secrets).toString('latin1'), kafkas.toString('latin1'), what)
  }
})
