/**
 * Every client writes in every way that it has, and every client reads what all the others wrote: the same keys, values,
 * headers and timestamps, in the same order, whichever library compressed them.
 */
import assert from 'node:assert/strict'
import { before } from 'node:test'
import { BrokerUnderTest } from './lib/broker.ts'
import { endAfterTests, type Limits, type RunningClient, startClients } from './lib/clients.ts'
import { Report } from './lib/report.ts'
import { samplesFor } from './lib/samples.ts'
import { asRead, type FetchedRecord, type Part, type SentRecord } from './lib/wire.ts'

const writeLimitMs = 60_000
const readLimitMs = 90_000
const fetchTimeoutMs = 30_000

/** Each way has a partition of its own in the topic of its writer. */
const ways = [
  { name: 'none', codec: 'none', acks: -1, idempotent: false, large: false },
  { name: 'gzip', codec: 'gzip', acks: -1, idempotent: false, large: false },
  { name: 'snappy', codec: 'snappy', acks: -1, idempotent: false, large: false },
  { name: 'lz4', codec: 'lz4', acks: -1, idempotent: false, large: false },
  { name: 'zstd', codec: 'zstd', acks: -1, idempotent: false, large: false },
  { name: 'acks=1', codec: 'none', acks: 1, idempotent: false, large: false },
  { name: 'acks=0', codec: 'none', acks: 0, idempotent: false, large: false },
  { name: 'idempotent', codec: 'lz4', acks: -1, idempotent: true, large: false },
  { name: '1 MB', codec: 'none', acks: -1, idempotent: false, large: true },
] as const

interface Written {
  readonly part: Part
  readonly records: readonly SentRecord[]
}

const broker = await BrokerUnderTest.start()
const clients = await startClients(broker)
endAfterTests(broker, clients, () => report.write())
const witness = clients[0] as RunningClient
const report = new Report('clients')
/** What was acknowledged, by writer. */
const written = new Map<RunningClient, Written[]>()
/** The times of records that carry their client's own, as the witness read them. */
const ownTimes = new Map<string, number[]>()

const topicOf = ({ kind: { id } }: RunningClient): string => `written-by-${id}`

before(async () => {
  for (const writer of clients) {
    await witness.driver.call('createTopic', { topic: topicOf(writer), partitions: ways.length })
  }
})

for (const writer of clients) {
  const topic = topicOf(writer)
  written.set(writer, [])
  for (const [partition, { name, codec, acks, idempotent, large }] of ways.entries()) {
    if (idempotent && writer.kind.limits.notIdempotent) continue
    report.tried(writer, `write ${name}`, `writes, ${name}`, writeLimitMs, async () => {
      const records = samplesFor(writer.kind.limits, large)
      const args = { topic, partition, codec, acks, idempotent, records }
      const { offsets } = await writer.driver.call<{ offsets: (number | null)[] }>('produce', args)
      const told = offsets.every(offset => offset !== null)
      if (told) assert.deepEqual(offsets, [...records.keys()])
      written.get(writer)?.push({ part: { topic, partition, offset: 0, count: records.length }, records })
    })
  }
}

/** How `reader` should answer what was sent as `record`. */
const expected = (record: SentRecord, offset: number, times: readonly number[], limits: Limits) => ({
  offset,
  timestamp: record.timestamp ?? times[offset],
  key: asRead(record.key),
  value: asRead(record.value),
  headers: record.headers.map(([name, value]) => [name, headerAsRead(value, limits)]),
})

const headerAsRead = (sent: string | null, limits: Limits): string | null => {
  if (sent === null) return limits.readsNullHeadersAsEmpty ? '' : null
  if (!limits.readsHeadersAsText) return sent
  const bytes = Buffer.from(sent, 'base64')
  const zero = bytes.indexOf(0)
  return bytes.subarray(0, zero < 0 ? bytes.length : zero).toString('base64')
}

for (const reader of clients) {
  if (!reader.ops.has('fetch')) continue
  // One command reads it all, so that one consumer holds partitions of every topic; it is sent by the first test.
  let reading: Promise<Map<string, FetchedRecord[]>> | undefined
  const readAll = async (): Promise<Map<string, FetchedRecord[]>> => {
    const parts = [...written.values()].flat().map(({ part }) => part)
    const answer = await reader.driver.call<{ parts: FetchedRecord[][] }>('fetch', { parts, timeoutMs: fetchTimeoutMs })
    return new Map(parts.map(({ topic, partition }, i) => [`${topic} ${partition}`, answer.parts[i] ?? []]))
  }
  for (const writer of clients) {
    const title = `reads what ${writer.kind.name} ${writer.version} wrote`
    report.tried(reader, `read ${writer.kind.id}`, title, readLimitMs, async () => {
      reading ??= readAll()
      const read = await reading
      const parts = written.get(writer) ?? []
      assert.ok(parts.length > 0, 'nothing was written')
      for (const { part, records } of parts) {
        const name = `${part.topic} ${part.partition}`
        const found = read.get(name) ?? []
        if (reader === witness)
          ownTimes.set(
            name,
            found.map(({ timestamp }) => timestamp),
          )
        const times = ownTimes.get(name) ?? []
        const wanted = records.map((record, offset) => expected(record, offset, times, reader.kind.limits))
        assert.deepEqual(found, wanted, `partition ${part.partition} (${ways[part.partition]?.name})`)
      }
    })
  }
}
