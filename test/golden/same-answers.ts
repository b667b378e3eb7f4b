import assert from 'node:assert/strict'
import { apiName, type Uuid, uuidToBytes } from '../../src/protocol/index.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import type { TestBroker } from '../support/test-broker.ts'
import { blank, type Fixture } from './fixture.ts'

/** Asks `broker` what Kafka was asked, in the same order on one connection: each answer is Kafka's, byte for byte. */
export async function assertSameAnswers(
  broker: TestBroker,
  { exchanges }: Fixture,
  topicIds: readonly Uuid[] = [],
): Promise<void> {
  const { clusterId } = await broker.connect().call(metadata, 12, { topics: [] })
  const secrets = [...topicIds.map(id => uuidToBytes(id)), Buffer.from(clusterId!)]
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
}
