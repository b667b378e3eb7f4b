/**
 * Whole connections from a seed: valid requests of every API and version that is served, with values that make sense and
 * values that do not, and the same with damaged bytes. Each request is answered or its connection closed, in time; the
 * broker neither ends nor grows, its log tells of no failure of its own, and a bystander never notices.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { allApis } from '../../src/protocol/all-apis.ts'
import {
  type Api,
  decodeResponseHeader,
  ErrorCode,
  Reader,
  responseCodec,
  responseHeaderVersion,
  type Uuid,
} from '../../src/protocol/index.ts'
import type { Field, Fields, WireType } from '../../src/protocol/notation.ts'
import { apiVersions } from '../../src/protocol/schema/api-versions.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { fetch } from '../../src/protocol/schema/fetch.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { Codec } from '../../src/records/batch-header.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { BrokerUnderTest } from '../compat/lib/broker.ts'
import { compressed } from '../support/compressed-batch.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { arbitraryMessage, isSent } from '../unit/protocol/arbitrary.ts'
import { encodeRequest, RawClient } from './raw-client.ts'
import { residentMb } from './resident-memory.ts'

const seconds = Number(process.env.MILLRACE_FUZZ_SECONDS ?? 3)
const seed = Number(process.env.MILLRACE_FUZZ_SEED ?? 1)
const connectionsAtOnce = 8
const timeoutMs = 10_000
const victim = 'victim'
const bystanderTopic = 'bystander'

let broker: BrokerUnderTest
let bystander: RawClient
let victimId: Uuid
const served: { api: Api; version: number }[] = []

const create = async (name: string): Promise<Uuid> => {
  const topics = [{ name, numPartitions: 3, replicationFactor: 1, assignments: [], configs: [] }]
  const answer = await bystander.request(createTopics, 7, { topics, timeoutMs })
  assert.ok([ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS].includes(answer.topics[0]!.errorCode as never))
  return answer.topics[0]!.topicId
}

before(async () => {
  broker = await BrokerUnderTest.start({
    'auto.create.topics.enable': 'false',
    // What waits for members that never come back does not wait longer than a test.
    'group.min.session.timeout.ms': '1',
    'group.initial.rebalance.delay.ms': '0',
  })
  bystander = await RawClient.open(broker)
  victimId = await create(victim)
  await create(bystanderTopic)
  const { apiKeys } = await bystander.request(apiVersions, 3, { clientSoftwareName: 'a', clientSoftwareVersion: '1' })
  const byKey = new Map(allApis.map(api => [api.key, api]))
  for (const { apiKey, minVersion, maxVersion } of apiKeys) {
    const api = byKey.get(apiKey)!
    // Produce tells of versions that it does not serve, for librdkafka.
    const first = Math.max(minVersion, api.request.versions.min)
    for (let version = first; version <= maxVersion; version++) served.push({ api, version })
  }
  assert.ok(served.length > 50)
})

after(async () => {
  bystander?.destroy()
  await broker?.destroy()
})

/** Values that get a request past the first look, by the name of their field. */
class Seasoning {
  constructor(private readonly random: SeededRandom) {}

  private pick<T>(...values: readonly T[]): T {
    return values[this.random.below(values.length)]!
  }

  /** `value` with most of its fields made plausible. */
  struct(fields: Fields, version: number, flexible: boolean, value: Record<string, unknown>): Record<string, unknown> {
    const members = Object.entries(fields).map(([name, field]) => {
      const given = value[name]
      return [name, isSent(field, version, flexible) ? this.field(name, field, version, flexible, given) : given]
    })
    return Object.fromEntries(members)
  }

  private field(name: string, field: Field, version: number, flexible: boolean, value: unknown): unknown {
    // Nothing may wait for longer than a test does.
    if (/(timeout|wait)Ms$/i.test(name)) return this.random.below(20)
    if (this.random.below(4) === 0) return this.inside(name, field.type, version, flexible, value)
    return this.plausible(name, field.type) ?? this.inside(name, field.type, version, flexible, value)
  }

  private inside(name: string, type: WireType, version: number, flexible: boolean, value: unknown): unknown {
    if (value === null || value === undefined) return value
    switch (type.kind) {
      case 'nullable':
        return this.inside(name, type.inner, version, flexible, value)
      case 'struct':
        return this.struct(type.fields, version, flexible, value as Record<string, unknown>)
      case 'array':
        return (value as unknown[]).map(element => this.inside(name, type.element, version, flexible, element))
      default:
        return value
    }
  }

  private plausible(name: string, type: WireType): unknown {
    const { random } = this
    const inner = type.kind === 'nullable' ? type.inner : type
    switch (name) {
      case 'name':
      case 'topic':
      case 'topicName':
      case 'resourceName':
        return this.pick(victim, victim, victim, 'absent', '', '.', 'x'.repeat(249), 'retention.ms', 'segment.bytes')
      case 'topicId':
        return victimId
      case 'index':
      case 'partition':
      case 'partitionIndex':
        return random.below(4)
      case 'records':
        return this.records()
      case 'acks':
        return this.pick(-1, 0, 1)
      case 'transactionalId':
      case 'assignments':
        return name === 'assignments' ? [] : null
      case 'numPartitions':
      case 'count':
        return this.pick(-1, 1, 2, 3, 4)
      case 'replicationFactor':
        return this.pick(-1, 1)
      case 'offset':
      case 'fetchOffset':
      case 'timestamp':
        return this.pick(-1, -2, -3, 0, 1, random.below(1_000))
      case 'currentLeaderEpoch':
      case 'leaderEpoch':
        return this.pick(-1, 0, 1)
      case 'resourceType':
        return this.pick(2, 2, 4, 8, 32)
      case 'value':
        return inner.kind === 'string' ? this.pick('1048576', '-1', 'delete', 'lots') : undefined
      case 'groupId':
      case 'group':
        return this.pick('g', 'g', 'h', '', 'absent')
      case 'memberId':
        // Of this connection's making, where the protocol lets members choose.
        return this.pick('', 'm', 'n')
      case 'groupInstanceId':
      case 'instanceId':
        return this.pick(null, null, 'i', 'j')
      case 'protocolType':
        return this.pick('consumer', 'consumer', 'connect', '')
      case 'protocolName':
        return 'range'
      case 'generationId':
      case 'generationIdOrMemberEpoch':
      case 'memberEpoch':
        return this.pick(-2, -1, 0, 0, 1, 2)
      case 'subscribedTopicNames':
        return this.pick(null, [victim], [victim, 'absent'])
      case 'subscribedTopicRegex':
        return this.pick(null, '', 'vic.*', '(')
      case 'serverAssignor':
        return this.pick(null, 'range', 'uniform', 'absent')
      case 'keyType':
        return this.pick(0, 0, 0, 1, 2, 7)
      case 'replicaId':
        return -1
      default:
        return undefined
    }
  }

  private records(): Uint8Array | null {
    const { random } = this
    const records = Array.from({ length: 1 + random.below(5) }, () => ({ key: null, value: random.bytes(50) }))
    const batch = buildBatch({ records, timestampMs: Date.now() })
    const folded = random.below(3) === 0 ? compressed(batch, Codec.gzip) : batch
    if (random.below(4) === 0) folded[random.below(folded.length)]! ^= 1 << random.below(8)
    return random.below(10) === 0 ? null : folded
  }
}

const extremes = [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0xffff]

/** A frame with some of its bytes changed; its length may lie, too. */
function damaged(random: SeededRandom, frame: Buffer): Buffer {
  let bytes = Buffer.from(frame)
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = 4 + random.below(bytes.length - 4)
    const kind = random.below(5)
    if (kind === 0) bytes[at] = random.below(256)
    else if (kind === 1) bytes = bytes.subarray(0, Math.max(at, 12))
    else if (kind === 2)
      bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(40)), bytes.subarray(at)])
    else if (kind === 3 && at + 4 <= bytes.length) bytes.writeInt32BE(extremes[random.below(extremes.length)]! | 0, at)
    else bytes.writeInt16BE(random.below(24), 6)
  }
  // Most damage is to be found in the request, not in its frame.
  if (random.below(8) > 0) bytes.writeInt32BE(bytes.length - 4)
  return bytes
}

interface Sent {
  readonly api: Api
  readonly version: number
  readonly frame: Buffer
  readonly silent: boolean
}

const drawnAtOnce = 8
const drawn = new Map<string, Record<string, unknown>[]>()

/** A value for every field; drawing is slow, so some are drawn at once. */
function draw(api: Api, version: number, random: SeededRandom): Record<string, unknown> {
  const key = `${api.key} ${version}`
  const left = drawn.get(key) ?? []
  drawn.set(key, left)
  if (left.length === 0)
    left.push(
      ...fc.sample(arbitraryMessage(api.request, version), { seed: random.below(2 ** 31), numRuns: drawnAtOnce }),
    )
  return left.pop()!
}

function requestOf(random: SeededRandom, correlationId: number): Sent {
  const { api, version } = served[random.below(served.length)]!
  const flexible = version >= api.request.flexibleSince
  const value = new Seasoning(random).struct(api.request.fields, version, flexible, draw(api, version, random))
  const frame = encodeRequest(api, version, correlationId, value as never)
  return { api, version, frame, silent: api.key === produce.key && value.acks === 0 }
}

const closedOnValid = new Map<string, number>()

/** Some good requests at once: an answer for each, in order, that its version can decode. */
async function exchange(random: SeededRandom): Promise<void> {
  const client = await RawClient.open(broker)
  const sent = Array.from({ length: 1 + random.below(4) }, (_, index) => requestOf(random, index))
  client.write(Buffer.concat(sent.map(({ frame }) => frame)))
  for (const [index, { api, version, silent }] of sent.entries()) {
    if (silent) continue
    const body = await client.frame()
    if (body === undefined) {
      const name = `${api.name} v${version}`
      // A request without acknowledgement before it may have ended the connection: that is its only answer.
      if (!sent.slice(0, index).some(each => each.silent)) closedOnValid.set(name, (closedOnValid.get(name) ?? 0) + 1)
      break
    }
    const reader = new Reader(body)
    assert.equal(decodeResponseHeader(reader, responseHeaderVersion(api, version)), index, `${api.name} v${version}`)
    responseCodec(api, version).decode(reader)
    reader.expectEnd()
  }
  client.socket.end()
  await client.untilClosed()
  client.destroy()
}

/** Good and damaged requests at once, then the end of our side: whatever is answered, the broker closes. */
async function disturb(random: SeededRandom): Promise<void> {
  const client = await RawClient.open(broker)
  const frames = Array.from({ length: 1 + random.below(3) }, (_, index) => {
    const { frame } = requestOf(random, index)
    return random.below(4) === 0 ? frame : damaged(random, frame)
  })
  const bytes = Buffer.concat(frames)
  if (random.below(10) === 0) {
    client.write(bytes)
    client.socket.resetAndDestroy()
    return
  }
  client.socket.end(bytes)
  await client.untilClosed()
  client.destroy()
}

let bystanderOffset = 0
async function lookOn(): Promise<number> {
  const startMs = performance.now()
  const records = buildBatch({ records: [{ key: null, value: Buffer.from('still here') }], timestampMs: Date.now() })
  const appended = await bystander.request(produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs,
    topicData: [{ name: bystanderTopic, partitionData: [{ index: 0, records }] }],
  })
  const { errorCode, baseOffset } = appended.responses[0]!.partitionResponses[0]!
  assert.deepEqual([errorCode, baseOffset], [ErrorCode.NONE, bystanderOffset])
  const part = { partition: 0, fetchOffset: bystanderOffset++, partitionMaxBytes: 1 << 20 }
  const read = await bystander.request(fetch, 4, {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    topics: [{ topic: bystanderTopic, partitions: [part] }],
  })
  assert.equal(read.responses[0]!.partitions[0]!.records!.length, records.length)
  return performance.now() - startMs
}

test(`connections of any kind, from seed ${seed}`, { timeout: (seconds + 180) * 1_000 }, async t => {
  const deadlineMs = performance.now() + seconds * 1_000
  // A machine that does much else takes longer for them.
  const leastConnections = 10 * seconds
  let connections = 0
  const talk = async (worker: number): Promise<void> => {
    for (let round = 0; performance.now() < deadlineMs || connections < leastConnections; round++) {
      const random = new SeededRandom(seed * 1_000_003 + worker * 100_003 + round)
      try {
        await (random.below(2) === 0 ? exchange(random) : disturb(random))
      } catch (error) {
        throw new Error(`seed ${seed}, worker ${worker}, round ${round}: ${error}`, { cause: error })
      }
      connections++
      // Somebody may have deleted it.
      if (round % 20 === 19)
        await create(victim).then(id => {
          if (id !== 'AAAAAAAAAAAAAAAAAAAAAA') victimId = id
        })
    }
  }
  let busy = true
  const watching = (async () => {
    const took: number[] = []
    while (busy) took.push(await lookOn())
    return took.sort((a, b) => a - b)
  })()
  watching.catch(() => {}) // It is awaited below.
  const talking = Promise.all(Array.from({ length: connectionsAtOnce }, (_, worker) => talk(worker)))
  // The first half warms the broker up.
  const warm = new Promise(resolve => setTimeout(resolve, (seconds * 1_000) / 2)).then(() => residentMb(broker))
  const [, warmMb] = await Promise.all([talking, warm]).finally(() => {
    busy = false
  })
  const took = await watching
  const grownMb = (await residentMb(broker)) - warmMb
  t.diagnostic(
    `${connections} connections; the broker grew by ${grownMb.toFixed(0)} MB; the bystander's append and read took ` +
      `${took[took.length >> 1]!.toFixed(1)} ms, at most ${took.at(-1)!.toFixed(0)} ms`,
  )
  assert.deepEqual([...closedOnValid], [], 'a valid request is answered')
  assert.ok(Number.isNaN(grownMb) || grownMb < 64, `the broker grew by ${grownMb.toFixed(0)} MB`)
  const failures = broker.log?.lines.filter(line => line.includes('failed unexpectedly')) ?? []
  assert.deepEqual(failures, [])
})
