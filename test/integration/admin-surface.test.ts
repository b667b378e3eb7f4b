/**
 * Every API that the broker advertises answers at every version that it advertises, to a request in which everything is
 * zero, empty or null: what it thinks of that is not looked at here, only that nothing hangs and every answer is one of
 * its version. What it does not serve ends the connection. Then what only a real disk shows.
 */
import assert from 'node:assert/strict'
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { allApis } from '../../src/protocol/all-apis.ts'
import type { Api, Field, Fields, WireType } from '../../src/protocol/notation.ts'
import { apiVersions } from '../../src/protocol/schema/api-versions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { describeLogDirs } from '../../src/protocol/schema/describe-log-dirs.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { encodeRequest, RawClient } from './raw-client.ts'

const timeout = 120_000
const timeoutMs = 10_000

let broker: BrokerUnderTest
let served: Map<number, readonly [min: number, max: number]>

before(async () => {
  broker = await BrokerUnderTest.start()
  const client = await RawClient.open(broker)
  const { apiKeys } = await client.request(apiVersions, 0, {})
  served = new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]))
  client.destroy()
})

after(() => broker?.destroy())

type AnyApi = Api<Fields, Fields>

/** Zero of its kind; null where that is allowed. */
function zeroOf(type: WireType, version: number): unknown {
  switch (type.kind) {
    case 'array':
      return []
    case 'struct':
      return zeroOfAll(type.fields, version)
    case 'nullable':
      return type.since <= version ? null : zeroOf(type.inner, version)
    case 'boolean':
      return false
    case 'string':
      return ''
    case 'bytes':
      return new Uint8Array()
    case 'uuid':
      return 'AAAAAAAAAAAAAAAAAAAAAA'
    case 'int64exact':
      return 0n
    case 'records':
      return null
    default:
      return 0
  }
}

const carries = ({ since, until = Number.POSITIVE_INFINITY }: Field, version: number): boolean =>
  since <= version && version <= until

const zeroOfAll = (fields: Fields, version: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, field]) => carries(field, version) && field.tag === undefined)
      .map(([name, { type }]) => [name, zeroOf(type, version)]),
  )

/** Without these there would be no answer, by the protocol. */
const needed = new Map<number, Record<string, unknown>>([[produce.key, { acks: -1 }]])

test('every version of every API that is advertised answers', { timeout }, async () => {
  let answered = 0
  for (const api of allApis as readonly AnyApi[]) {
    const [min, max] = served.get(api.key) ?? [0, -1]
    const client = await RawClient.open(broker)
    for (let version = Math.max(min, api.versions.min); version <= max; version++) {
      const request = { ...zeroOfAll(api.request.fields, version), ...needed.get(api.key) }
      const answer = client.request(api, version, request)
      await answer.catch((error: Error) => assert.fail(`${api.name} v${version}: ${error.message}`))
      answered++
    }
    client.destroy()
  }
  assert.ok(answered > 200, `${answered} answers`)
})

test('what is not served ends the connection, and nobody else notices', { timeout }, async () => {
  const bystander = await RawClient.open(broker)
  for (const api of (allApis as readonly AnyApi[]).filter(({ key }) => !served.has(key))) {
    const client = await RawClient.open(broker)
    const version = api.versions.max
    client.write(encodeRequest(api, version, 1, zeroOfAll(api.request.fields, version)))
    assert.equal(await client.frame(), undefined, api.name)
    await bystander.request(metadata, 12, { topics: [] })
  }
  bystander.destroy()
})

test('log directories tell the bytes in the files and those of the file system', { timeout }, async () => {
  const client = await RawClient.open(broker)
  const topics = [{ name: 'sized', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
  await client.request(createTopics, 7, { topics, timeoutMs })
  const records = buildBatch({
    timestampMs: Date.now(),
    records: [{ key: null, value: Buffer.alloc(10_000, 'x') }],
  })
  const topicData = [{ name: 'sized', partitionData: [{ index: 0, records }] }]
  await client.request(produce, 9, { transactionalId: null, acks: -1, timeoutMs, topicData })
  const asked = { topics: [{ topic: 'sized', partitions: [0] }] }
  const { results } = await client.request(describeLogDirs, 5, asked)
  const [dir] = results
  assert.equal(dir?.logDir, broker.dataDir)
  const { blocks, bsize } = await statfs(broker.dataDir!)
  assert.equal(dir?.totalBytes, blocks * bsize)
  assert.ok(dir.usableBytes > 0 && dir.usableBytes < dir.totalBytes)
  const size = dir.topics[0]!.partitions[0]!.partitionSize
  assert.equal(size, records.length)
  const { size: fileBytes } = await stat(join(broker.dataDir!, 'sized-0', '00000000000000000000.log'))
  assert.ok(size <= fileBytes, `${size} of a file of ${fileBytes}`)
  client.destroy()
})
