import assert from 'node:assert/strict'
import type { BrokerUnderTest } from './broker.ts'
import type { Limits } from './clients.ts'
import { ClientError, type Driver } from './driver.ts'
import type { FetchedRecord, SentRecord } from './wire.ts'

export interface Tried {
  readonly driver: Driver
  readonly witness: Driver
  /** A name of its own for each call of each client. */
  readonly topic: string
  readonly broker: BrokerUnderTest
  readonly limits: Limits
}

export interface AdminCall {
  /** The op that a client must have. */
  readonly call: string
  readonly title: string
  run(tried: Tried): Promise<void>
}

type Configs = Readonly<Record<string, { readonly value: string | null; readonly isDefault: boolean }>>
type Partition = { partition: number; leader: number; replicas: number[]; isr: number[] }

/** Kafka's codes, of which a client that names none answers 0. */
const code = {
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  topicAlreadyExists: 36,
  invalidPartitions: 37,
  invalidReplicaAssignment: 39,
  invalidConfig: 40,
}
const noSuchBroker = 99
const settleLimitMs = 5_000
const records = 10
const firstTimestamp = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000

/** A client that loses Kafka's code has to fail all the same. */
async function refuses(expected: number, outcome: Promise<unknown>, limits: Limits = {}): Promise<void> {
  await assert.rejects(outcome, (error: unknown) => {
    assert.ok(error instanceof ClientError, String(error))
    assert.equal(error.code, limits.losesCodes ? 0 : expected, error.message)
    return true
  })
}

/** Here a change has taken effect when it is answered. In Kafka its brokers learn of it a moment later. */
async function settled(broker: BrokerUnderTest, check: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + settleLimitMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (broker.kind === 'millrace' || performance.now() > endMs) throw error
    }
  }
}

const partitionsOf = async (driver: Driver, topic: string): Promise<Partition[]> =>
  (await driver.call<{ partitions: Partition[] }>('describeTopic', { topic })).partitions

const configsOf = async (driver: Driver, which: { topic: string } | { broker: string }): Promise<Configs> =>
  (await driver.call<{ configs: Configs }>('describeConfigs', which)).configs

const nodeId = async (witness: Driver): Promise<number> => {
  const { nodes } = await witness.call<{ nodes: { id: number }[] }>('describeCluster')
  return nodes[0]?.id ?? -1
}

const recordAt = (index: number): SentRecord => ({
  key: null,
  value: Buffer.from(`${index}`).toString('base64'),
  headers: [],
  timestamp: firstTimestamp + index * 1_000,
})

/** A topic of one partition with `records` records, a second apart but for the last two, which are the wrong way round. */
async function filled({ witness, topic, broker }: Tried): Promise<void> {
  await witness.call('createTopic', { topic, partitions: 1 })
  await settled(broker, async () => assert.equal((await partitionsOf(witness, topic)).length, 1))
  const order = [...Array(records - 2).keys(), records - 1, records - 2]
  const sent = { topic, partition: 0, codec: 'none', acks: -1, idempotent: true, records: order.map(recordAt) }
  await witness.call('produce', sent)
}

const made = async (
  { witness, topic, broker }: Tried,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> => {
  await witness.call('createTopic', { topic, partitions: 2, configs })
  await settled(broker, async () => assert.equal((await partitionsOf(witness, topic)).length, 2))
}

/** One kind of ListOffsets; a client that passes no timestamp on is asked for the offset only. */
const listing = (kind: string, offset: number, timestamp?: number): AdminCall => ({
  call: `listOffsets.${kind}`,
  title: 'of a topic with records',
  async run(tried) {
    await filled(tried)
    const found = await tried.driver.call<{ offset: number; timestamp?: number }>('listOffsets', {
      topic: tried.topic,
      partition: 0,
      spec: kind,
    })
    assert.equal(found.offset, offset)
    if (timestamp !== undefined && found.timestamp !== undefined) assert.equal(found.timestamp, timestamp)
  },
})

export const adminCalls: readonly AdminCall[] = [
  {
    call: 'createTopic',
    title: 'with configs',
    async run({ driver, witness, topic, broker }) {
      const configs = { 'retention.ms': '3600001', 'cleanup.policy': 'compact,delete' }
      await driver.call('createTopic', { topic, partitions: 3, configs })
      await settled(broker, async () => {
        assert.equal((await partitionsOf(witness, topic)).length, 3)
        const found = await configsOf(witness, { topic })
        assert.equal(found['retention.ms']?.value, '3600001')
        assert.equal(found['cleanup.policy']?.value, 'compact,delete')
        assert.equal(found['retention.ms']?.isDefault, false)
        assert.equal(found['segment.bytes']?.isDefault, true)
      })
      await refuses(code.topicAlreadyExists, driver.call('createTopic', { topic, partitions: 3 }))
    },
  },
  {
    call: 'createTopic',
    title: 'of a config with a wrong value is refused',
    async run({ driver, witness, topic }) {
      const configs = { 'retention.ms': 'a week' }
      await refuses(code.invalidConfig, driver.call('createTopic', { topic, partitions: 1, configs }))
      await refuses(code.unknownTopicOrPartition, partitionsOf(witness, topic))
    },
  },
  {
    call: 'createTopic.assignments',
    title: 'by broker',
    async run({ driver, witness, topic, broker }) {
      const id = await nodeId(witness)
      await driver.call('createTopic', { topic, assignments: [[id], [id], [id]] })
      const wanted = [0, 1, 2].map(partition => ({ partition, leader: id, replicas: [id], isr: [id] }))
      await settled(broker, async () => assert.deepEqual(await partitionsOf(witness, topic), wanted))
      const assignments = [[noSuchBroker]]
      await refuses(
        code.invalidReplicaAssignment,
        driver.call('createTopic', { topic: `${topic}-nowhere`, assignments }),
      )
    },
  },
  {
    call: 'listTopics',
    title: 'names a new topic',
    async run(tried) {
      await made(tried)
      const { topics } = await tried.driver.call<{ topics: string[] }>('listTopics')
      assert.ok(topics.includes(tried.topic), topics.join())
    },
  },
  {
    call: 'describeTopic',
    title: 'tells leader, replicas, ISR',
    async run(tried) {
      await made(tried)
      const id = await nodeId(tried.witness)
      const wanted = [0, 1].map(partition => ({ partition, leader: id, replicas: [id], isr: [id] }))
      assert.deepEqual(await partitionsOf(tried.driver, tried.topic), wanted)
    },
  },
  {
    call: 'describeCluster',
    title: 'tells the brokers',
    async run({ driver, witness, broker }) {
      const found = await driver.call<{ nodes: object[]; clusterId?: string }>('describeCluster')
      assert.deepEqual(found.nodes, [{ id: await nodeId(witness), host: broker.host, port: broker.port }])
      const { clusterId } = await witness.call<{ clusterId: string }>('describeCluster')
      if (found.clusterId !== undefined) assert.equal(found.clusterId, clusterId)
    },
  },
  {
    call: 'describeConfigs',
    title: 'of a topic',
    async run(tried) {
      await made(tried, { 'retention.ms': '3600002' })
      const found = await configsOf(tried.driver, { topic: tried.topic })
      assert.equal(found['retention.ms']?.value, '3600002')
      assert.equal(found['retention.ms']?.isDefault, false)
      assert.equal(found['max.message.bytes']?.value, '1048588')
      assert.equal(found['max.message.bytes']?.isDefault, true)
    },
  },
  {
    call: 'describeConfigs',
    title: 'of a broker',
    async run({ driver, witness }) {
      const id = String(await nodeId(witness))
      const found = await configsOf(driver, { broker: id })
      assert.equal(found['node.id']?.value, id)
      assert.equal(found['message.max.bytes']?.value, '1048588')
    },
  },
  {
    call: 'incrementalAlterConfigs',
    title: 'sets and takes back',
    async run(tried) {
      const { driver, witness, topic, broker, limits } = tried
      await made(tried, { 'retention.ms': '3600003' })
      const ops = [
        { name: 'retention.ms', op: 'delete' },
        { name: 'max.message.bytes', op: 'set', value: '20000' },
      ]
      await driver.call('incrementalAlterConfigs', { topic, ops })
      await settled(broker, async () => {
        const found = await configsOf(witness, { topic })
        assert.equal(found['retention.ms']?.isDefault, true)
        assert.equal(found['max.message.bytes']?.value, '20000')
      })
      const wrong = [{ name: 'max.message.bytes', op: 'set', value: 'many' }]
      await refuses(code.invalidConfig, driver.call('incrementalAlterConfigs', { topic, ops: wrong }), limits)
    },
  },
  {
    call: 'incrementalAlterConfigs',
    title: 'appends to and subtracts from a list',
    async run(tried) {
      const { driver, witness, topic, broker } = tried
      await made(tried)
      for (const [op, value, after] of [
        ['append', 'compact', 'delete,compact'],
        ['subtract', 'delete', 'compact'],
      ]) {
        await driver.call('incrementalAlterConfigs', { topic, ops: [{ name: 'cleanup.policy', op, value }] })
        await settled(broker, async () =>
          assert.equal((await configsOf(witness, { topic }))['cleanup.policy']?.value, after),
        )
      }
    },
  },
  {
    call: 'alterConfigs',
    title: 'sets these, and all of them',
    async run(tried) {
      const { driver, witness, topic, broker, limits } = tried
      await made(tried, { 'retention.ms': '3600004' })
      await driver.call('alterConfigs', { topic, configs: { 'max.message.bytes': '20001' } })
      await settled(broker, async () => {
        const found = await configsOf(witness, { topic })
        assert.equal(found['max.message.bytes']?.value, '20001')
        assert.equal(found['retention.ms']?.isDefault, limits.keepsOtherConfigs !== true)
      })
    },
  },
  {
    call: 'createPartitions',
    title: 'up, not down',
    async run(tried) {
      const { driver, witness, topic, broker } = tried
      await made(tried)
      await driver.call('createPartitions', { topic, total: 4 })
      await settled(broker, async () => {
        const ids = (await partitionsOf(witness, topic)).map(({ partition }) => partition)
        assert.deepEqual(ids, [0, 1, 2, 3])
      })
      await refuses(code.invalidPartitions, driver.call('createPartitions', { topic, total: 3 }))
    },
  },
  {
    call: 'deleteRecords',
    title: 'before an offset',
    async run(tried) {
      const { driver, witness, topic } = tried
      await filled(tried)
      const { lowWatermark } = await driver.call<{ lowWatermark?: number }>('deleteRecords', {
        topic,
        partition: 0,
        before: 4,
      })
      if (lowWatermark !== undefined) assert.equal(lowWatermark, 4)
      const part = { topic, partition: 0, offset: 4, count: records - 4 }
      const { parts } = await witness.call<{ parts: FetchedRecord[][] }>('fetch', { parts: [part], timeoutMs: 20_000 })
      assert.deepEqual(
        parts[0]?.map(({ offset }) => offset),
        [4, 5, 6, 7, 8, 9],
      )
      const earlier = { parts: [{ ...part, offset: 3 }], timeoutMs: 20_000 }
      await refuses(code.offsetOutOfRange, witness.call('fetch', earlier))
      await refuses(code.offsetOutOfRange, driver.call('deleteRecords', { topic, partition: 0, before: records + 1 }))
    },
  },
  {
    call: 'listOffsets',
    title: 'by time',
    async run(tried) {
      await filled(tried)
      const ask = (spec: number) =>
        tried.driver.call<{ offset: number }>('listOffsets', { topic: tried.topic, partition: 0, spec })
      assert.equal((await ask(firstTimestamp + 2_500)).offset, 3)
      assert.equal((await ask(firstTimestamp)).offset, 0)
      assert.equal((await ask(firstTimestamp + (records - 1) * 1_000)).offset, records - 2)
    },
  },
  listing('earliest', 0),
  listing('latest', records),
  listing('maxTimestamp', records - 2, firstTimestamp + (records - 1) * 1_000),
  listing('earliestLocal', 0),
  listing('latestTiered', -1),
  listing('earliestPendingUpload', -1),
  {
    call: 'describeFeatures',
    title: 'tells the finalized levels',
    async run({ driver }) {
      const { finalized } = await driver.call<{ finalized: Record<string, number> }>('describeFeatures')
      assert.ok((finalized['metadata.version'] ?? 0) > 0, JSON.stringify(finalized))
    },
  },
  {
    call: 'listConfigResources',
    title: 'names topics and brokers',
    async run(tried) {
      await made(tried)
      const { resources } = await tried.driver.call<{ resources: [string, string][] }>('listConfigResources')
      const names = resources.map(([type, name]) => `${type} ${name}`)
      assert.ok(names.includes(`TOPIC ${tried.topic}`), names.join())
      assert.ok(names.includes(`BROKER ${await nodeId(tried.witness)}`), names.join())
    },
  },
  {
    call: 'deleteTopic',
    title: 'and the topic that comes after it is another',
    async run(tried) {
      const { driver, witness, topic, broker } = tried
      await filled(tried)
      await driver.call('deleteTopic', { topic })
      await settled(broker, () => refuses(code.unknownTopicOrPartition, partitionsOf(witness, topic)))
      await filled(tried)
      const sent = { topic, partition: 0, codec: 'none', acks: -1, idempotent: true, records: [recordAt(0)] }
      assert.deepEqual((await witness.call<{ offsets: number[] }>('produce', sent)).offsets, [records])
    },
  },
]
