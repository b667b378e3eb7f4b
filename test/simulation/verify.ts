import assert from 'node:assert/strict'
import { ErrorCode, type Uuid } from '../../src/protocol/index.ts'
import { describeConfigs } from '../../src/protocol/schema/describe-configs.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../src/protocol/schema/metadata.ts'
import { batchEnd, readRecords } from '../../src/records/record-batch.ts'
import { Client } from './client.ts'
import { type LogLife, latest, nameIn, type SentBatch, type TopicLife, textOf } from './model.ts'

/** What has to be there: everything that was answered, or what was promised for a crash of the process or of all. */
export type Survivors = 'all' | 'written' | 'durable'

const earliest = -2
const latestOffset = -1
const fromUtf8 = new TextDecoder()

interface Found {
  readonly offset: number
  readonly value: string
}

/** Looks at everything by requests, compares it with what clients know, and takes what it saw as known from now on. */
export async function verify(client: Client, survivors: Survivors): Promise<void> {
  const { topics } = await client.process.call(metadata, 12, { topics: null })
  const found = new Map(topics.map(topic => [topic.name!, topic]))
  for (const [name, { isInternal }] of found)
    assert.ok(
      isInternal || latest(client.model, name) !== undefined,
      `${name} is there, and nobody made it or it was deleted`,
    )
  for (const name of client.model.topics.keys()) {
    const life = latest(client.model, name)
    if (life === undefined) continue
    const topic = found.get(name)
    if (topic === undefined) {
      assert.equal(life.presence, 'maybe', `${name} is lost`)
      life.presence = 'gone'
      continue
    }
    assert.equal(topic.errorCode, ErrorCode.NONE, name)
    if (life.id === undefined) client.learnId(life, topic.topicId)
    assert.equal(topic.topicId, life.id, `${name} has the id of another topic`)
    life.presence = 'there'
    const count = topic.partitions.length
    assert.ok(
      count === life.partitions || count === life.partitionsAsked,
      `${name} has ${count} partitions, of ${life.partitions} to ${life.partitionsAsked}`,
    )
    life.partitions = life.partitionsAsked = count
    life.logs.length = count
    for (const { partitionIndex, errorCode } of topic.partitions)
      assert.equal(errorCode, ErrorCode.NONE, `${name}-${partitionIndex} is not served`)
    await verifyConfigs(client, life)
    await verifyCommits(client, life)
    for (const [partition, log] of life.logs.entries()) await verifyLog(client, life, log, partition, survivors)
  }
}

/** What was committed is there; and what is seen is durable, whoever was told of it. */
async function verifyCommits(client: Client, life: TopicLife): Promise<void> {
  const { commits } = life
  commits.busy = false // Whoever was at it was cut off.
  if (commits.asked === 0) return
  const found = await client.committed(life)
  assert.ok(found !== undefined, `the group of ${life.name} is not served`)
  assert.ok(found >= commits.told, `the group of ${life.name} has ${found}, and ${commits.told} was committed`)
  assert.ok(found <= commits.asked, `the group of ${life.name} has ${found}, which nobody committed`)
  commits.told = found
}

async function verifyConfigs(client: Client, life: TopicLife): Promise<void> {
  const { results } = await client.process.call(describeConfigs, 4, {
    resources: [{ resourceType: 2, resourceName: life.name, configurationKeys: null }],
  })
  assert.equal(results[0]!.errorCode, ErrorCode.NONE)
  const ofTopic = 1
  const set = new Map(
    results[0]!.configs.filter(each => each.configSource === ofTopic).map(each => [each.name, each.value]),
  )
  for (const name of set.keys())
    assert.ok(life.configs.has(name), `${life.name} has the config ${name}, which nobody set`)
  for (const [name, values] of life.configs) {
    const value = set.get(name) ?? undefined
    assert.ok(values.includes(value), `${name} of ${life.name} is ${value}, not ${values.join(' or ')}`)
    life.configs.set(name, [value])
  }
}

/** The offset that stands at a timestamp. */
async function offsetAt(client: Client, name: string, partition: number, timestamp: number): Promise<number> {
  const { topics } = await client.process.call(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex: partition, timestamp }] }],
  })
  const { errorCode, offset } = topics[0]!.partitions[0]!
  assert.equal(errorCode, ErrorCode.NONE, `ListOffsets of ${name}-${partition}`)
  return offset
}

async function readAll(client: Client, topicId: Uuid, partition: number, from: number, to: number): Promise<Found[]> {
  const found: Found[] = []
  for (let next = from; next < to; ) {
    const reply = await client.process.exchange(fetch, 15, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1 << 20,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{ topicId, partitions: [{ partition, fetchOffset: next, partitionMaxBytes: 4096 }] }],
      forgottenTopicsData: [],
    })
    const answer = reply.body.responses[0]!.partitions[0]!
    assert.equal(answer.errorCode, ErrorCode.NONE, `fetch of partition ${partition} at ${next}`)
    const bytes = reply.records(answer.records)
    const before = next
    for (let at: number | undefined = 0; at !== undefined; ) {
      const end = batchEnd(bytes, at)
      if (end === undefined) break
      for (const { offset, value } of readRecords(bytes, at)) {
        if (offset >= next) found.push({ offset, value: fromUtf8.decode(value!) })
        next = Math.max(next, offset + 1)
      }
      at = end
    }
    assert.ok(next > before, `a fetch at ${before} below ${to} gives nothing`)
  }
  return found
}

async function verifyLog(
  client: Client,
  life: TopicLife,
  log: LogLife,
  partition: number,
  survivors: Survivors,
): Promise<void> {
  const name = `${life.name}-${partition}`
  const start = await offsetAt(client, life.name, partition, earliest)
  const end = await offsetAt(client, life.name, partition, latestOffset)
  const startMost = Client.startMost(life, log)
  assert.ok(start >= log.startPromised, `${name} begins at ${start}, and ${log.startPromised} was promised`)
  assert.ok(start <= startMost, `${name} begins at ${start}, and nobody asked for more than ${startMost}`)
  const found = await readAll(client, life.id!, partition, start, end)
  const held = compare(life, log, partition, found, start, end)
  for (const batch of log.batches) {
    const gone = batch.offset !== undefined && batch.offset < start
    if (held.has(batch.number) || gone) continue
    const must = survivors === 'all' ? batch.offset !== undefined : isPromised(batch, survivors)
    assert.ok(!must, `${name} has lost batch ${batch.number} at ${batch.offset}, which was ${batch.promise}`)
  }
  learn(life, log, held, start)
}

const isPromised = ({ promise }: SentBatch, survivors: Survivors): boolean =>
  promise === 'durable' || (promise === 'written' && survivors === 'written')

/** Which batches are there, by number, and where; everything in order, without a gap, and as it was sent. */
function compare(
  life: TopicLife,
  log: LogLife,
  partition: number,
  found: readonly Found[],
  start: number,
  end: number,
): Map<number, number> {
  const name = `${life.name}-${partition}`
  const held = new Map<number, number>()
  let last = -1
  let wholeUpTo = 0
  for (const [at, { offset, value }] of found.entries()) {
    assert.equal(offset, start + at, `${name} has a gap before ${offset}`)
    const record = nameIn(value)
    const batch = record === undefined ? undefined : log.batches[record.batch]
    const ours = record?.topic === life.name && record.life === life.number && record.partition === partition
    assert.ok(record !== undefined && batch !== undefined && ours, `${name} has at ${offset}: ${value.slice(0, 60)}`)
    assert.equal(value, textOf(batch, record.index), `${name} at ${offset}`)
    const base = offset - record.index
    if (batch.offset !== undefined) assert.equal(base, batch.offset, `${name} has batch ${batch.number} elsewhere`)
    assert.ok(record.batch >= last, `${name} has batch ${record.batch} after ${last}`)
    assert.equal(held.get(record.batch) ?? base, base, `${name} has batch ${record.batch} twice`)
    if (record.batch !== last) assert.ok(offset >= wholeUpTo, `${name} has a part of batch ${last}`)
    held.set(record.batch, base)
    wholeUpTo = base + batch.records
    last = record.batch
  }
  assert.ok(end >= wholeUpTo, `${name} has a part of batch ${last}`)
  assert.equal(start + found.length, end, `${name} ends elsewhere than ListOffsets says`)
  return held
}

/** What a consumer has seen stays, as what was acknowledged does; what is not there now will not come by itself. */
function learn(life: TopicLife, log: LogLife, held: Map<number, number>, start: number): void {
  for (const batch of log.batches) {
    const offset = held.get(batch.number)
    if (offset !== undefined) {
      batch.offset = offset
      if (!life.cached) batch.promise = 'durable'
    } else if (batch.offset === undefined || batch.offset >= start) {
      batch.offset = undefined
      batch.promise = 'none'
      // Its producer goes on from here, once it has sent this again.
      if (batch.producerId !== undefined) log.unsure = true
    }
  }
  log.startPromised = Math.max(log.startPromised, start)
}
