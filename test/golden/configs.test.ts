/**
 * Apache Kafka's answers to changes and descriptions of configs, asked again of this broker in the same order: the bytes
 * are the same. What differs on purpose is left out where they are recorded (`capture/configs.ts`).
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { apiName } from '../../src/protocol/index.ts'
import { testBroker } from '../support/test-broker.ts'
import type { Fixture } from './fixture.ts'

const fixturesDir = new URL('./fixtures/', import.meta.url)
const file = readdirSync(fixturesDir).find(name => name.startsWith('configs-'))
assert.ok(file !== undefined, 'the answers are recorded')
const { exchanges, broker: kafka } = JSON.parse(readFileSync(new URL(file, fixturesDir), 'utf8')) as Fixture

test(`configs are described and changed byte for byte as by ${kafka}`, async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'retention.ms': '5' })
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
    assert.equal(Buffer.from(answers.pop()!).toString('latin1'), latin1(exchange.response), what)
  }
})

const latin1 = (hex: string | null): string => Buffer.from(hex ?? '', 'hex').toString('latin1')
