/**
 * Records what Apache Kafka answers to changes and descriptions of configs, so that a test can hold our answers against
 * them byte for byte. The topic `t`, with `retention.ms=5`, is there before the first exchange. Run by hand:
 *
 *   node --import tsx test/golden/capture/configs.ts && npm run format
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Api, Fields, RequestInput } from '../../../src/protocol/index.ts'
import { alterConfigs } from '../../../src/protocol/schema/alter-configs.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { describeConfigs } from '../../../src/protocol/schema/describe-configs.ts'
import { incrementalAlterConfigs } from '../../../src/protocol/schema/incremental-alter-configs.ts'
import { listConfigResources } from '../../../src/protocol/schema/list-config-resources.ts'
import { endedWithin } from '../../compat/lib/process.ts'
import { formatKafka, startKafka } from '../../compat/lib/reference-kafka.ts'
import { encodeRequest, RawClient } from '../../integration/raw-client.ts'
import type { Exchange } from '../fixture.ts'
import { writeFixture } from './write-fixture.ts'

/** Kafka applies what it has answered a little later. */
const appliedMs = 400
const [topic, broker, logger, metrics, group] = [2, 4, 8, 16, 32]
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3]

type Call = () => Promise<void>
const exchanges: Exchange[] = []
const dataDir = await mkdtemp(join(tmpdir(), 'millrace-golden-configs-'))
const port = await formatKafka(dataDir, {})
const kafka = await startKafka(dataDir)
const client = await RawClient.open({ host: '127.0.0.1', port })

async function record<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
  request: RequestInput<Api<Q, S>>,
): Promise<void> {
  const frame = encodeRequest(api, version, exchanges.length + 1, request)
  client.write(frame)
  const response = await client.frame()
  if (response === undefined) throw new Error(`no answer to ${api.name} v${version}`)
  exchanges.push({ api: api.key, version, request: frame.toString('hex', 4), response: response.toString('hex') })
}

type Change = [name: string, operation: number | undefined, value: string | null]
const alter =
  (
    version: number,
    resources: [type: number | undefined, name: string, changes: Change[]][],
    validateOnly = false,
  ): Call =>
  async () => {
    await record(incrementalAlterConfigs, version, {
      resources: resources.map(([resourceType, resourceName, changes]) => ({
        resourceType: resourceType!,
        resourceName,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation: configOperation!, value })),
      })),
      validateOnly,
    })
    await sleep(appliedMs)
  }
const replace =
  (version: number, resourceType: number | undefined, resourceName: string, configs: [string, string | null][]): Call =>
  async () => {
    const list = configs.map(([name, value]) => ({ name, value }))
    await record(alterConfigs, version, {
      resources: [{ resourceType: resourceType!, resourceName, configs: list }],
      validateOnly: false,
    })
    await sleep(appliedMs)
  }
const describe =
  (
    version: number,
    resourceType: number | undefined,
    resourceName: string,
    key?: string,
    includeSynonyms = true,
  ): Call =>
  () =>
    record(describeConfigs, version, {
      resources: [{ resourceType: resourceType!, resourceName, configurationKeys: key === undefined ? null : [key] }],
      includeSynonyms,
      ...(version >= 3 ? { includeDocumentation: false } : {}),
    })
const list = (version: number, ...resourceTypes: (number | undefined)[]): Call => {
  const types = resourceTypes.map(type => type!)
  return () => record(listConfigResources, version, version === 0 ? {} : { resourceTypes: types })
}

const calls: Call[] = [
  ...[1, 2, 3, 4].flatMap(version => [
    describe(version, topic, 't', 'retention.ms', false),
    describe(version, topic, 't', 'max.message.bytes'),
    describe(version, topic, 't', 'cleanup.policy'),
    describe(version, topic, 't', 'min.cleanable.dirty.ratio'),
    describe(version, topic, 't', 'preallocate'),
    describe(version, topic, 't', 'leader.replication.throttled.replicas'),
    describe(version, topic, 'nope'),
    describe(version, broker, '1', 'message.max.bytes'),
    describe(version, broker, '1', 'num.partitions'),
    describe(version, broker, '1', 'broker.rack'),
    describe(version, broker, '1', 'log.retention.minutes'),
    describe(version, broker, '1', 'log.retention.hours'),
  ]),
  describe(4, topic, ''),
  describe(4, topic, 'bad name'),
  describe(4, broker, '7'),
  describe(4, broker, 'x'),
  describe(4, logger, ''),
  describe(4, logger, '3'),
  describe(4, metrics, ''),
  describe(4, group, ''),
  describe(4, group, 'g', 'consumer.session.timeout.ms'),
  describe(4, metrics, 'm', 'interval.ms'),
  alter(0, [[topic, 't', [['retention.ms', SET, ' +7 ']]]]),
  describe(4, topic, 't', 'retention.ms', false),
  alter(1, [[topic, 't', [['cleanup.policy', APPEND, 'compact']]]]),
  describe(4, topic, 't', 'cleanup.policy'),
  alter(1, [[topic, 't', [['cleanup.policy', SUBTRACT, 'delete,compact']]]]),
  describe(4, topic, 't', 'cleanup.policy'),
  alter(1, [[topic, 't', [['cleanup.policy', DELETE, null]]]]),
  describe(4, topic, 't', 'cleanup.policy'),
  alter(1, [[topic, 't', [['retention.ms', SET, '9']]]], true),
  describe(4, topic, 't', 'retention.ms', false),
  ...(
    [
      ['no.such', SET, '1'],
      ['retention.ms', SET, 'x'],
      ['segment.bytes', SET, '99999999999'],
      ['segment.bytes', SET, '5'],
      ['compression.gzip.level', SET, '0'],
      ['compression.lz4.level', SET, '18'],
      ['preallocate', SET, 'yes'],
      ['message.timestamp.type', SET, 'Foo'],
      ['min.cleanable.dirty.ratio', SET, '1.5'],
      ['min.cleanable.dirty.ratio', SET, 'x'],
      ['cleanup.policy', SET, 'foo'],
      ['cleanup.policy', SET, 'delete,,compact'],
      ['leader.replication.throttled.replicas', SET, '*,0:1'],
      ['retention.ms', APPEND, '1'],
      ['retention.ms', SUBTRACT, '1'],
      ['no.such', APPEND, '1'],
      ['retention.ms', SET, null],
      ['no.such', DELETE, null],
      ['remote.storage.enable', SET, 'true'],
    ] as Change[]
  ).map(change => alter(1, [[topic, 't', [change]]])),
  alter(1, [
    [
      topic,
      't',
      [
        ['retention.ms', SET, '1'],
        ['retention.ms', SET, '2'],
      ],
    ],
  ]),
  alter(1, [
    [
      topic,
      't',
      [
        ['min.compaction.lag.ms', SET, '10'],
        ['max.compaction.lag.ms', SET, '5'],
      ],
    ],
  ]),
  alter(1, [
    [topic, 'nope', [['retention.ms', SET, '1']]],
    [topic, 't', [['flush.ms', SET, '11']]],
    [topic, '', [['retention.ms', SET, '1']]],
    [topic, 'bad name', [['retention.ms', SET, '1']]],
    [3, 'x', [['a', SET, '1']]],
  ]),
  describe(4, topic, 't', 'flush.ms', false),
  alter(1, [
    [topic, 't', [['retention.ms', SET, '1']]],
    [topic, 't', [['retention.ms', SET, '2']]],
  ]),
  ...(
    [
      ['num.partitions', SET, '3'],
      ['log.retention.ms', SET, 'x'],
      ['message.max.bytes', SET, '-1'],
      ['message.max.bytes', APPEND, '1'],
      ['no.such', APPEND, '1'],
      ['message.max.bytes', 9, '1'],
      ['log.retention.hours', SET, '5'],
      ['message.max.bytes', SET, null],
    ] as Change[]
  ).map(change => alter(1, [[broker, '1', [change]]])),
  alter(1, [[broker, '7', [['message.max.bytes', SET, '1']]]]),
  alter(1, [[broker, 'x', [['message.max.bytes', SET, '1']]]]),
  alter(1, [[broker, '', [['message.max.bytes', SET, '2000000']]]]),
  describe(4, broker, '1', 'message.max.bytes'),
  describe(4, topic, 't', 'max.message.bytes'),
  alter(1, [[broker, '1', [['message.max.bytes', SET, '3000000']]]]),
  describe(4, topic, 't', 'max.message.bytes'),
  describe(4, broker, '', 'message.max.bytes'),
  ...(
    [
      ['root', APPEND, 'INFO'],
      ['root', SUBTRACT, 'INFO'],
      ['root', SET, 'LOUD'],
      ['nope', SET, 'INFO'],
      ['root', DELETE, null],
      ['root', 9, 'INFO'],
      ['root', SET, 'WARN'],
    ] as Change[]
  ).map(change => alter(1, [[logger, '1', [change]]])),
  describe(4, logger, '1', 'root'),
  alter(1, [[logger, '2', [['root', SET, 'INFO']]]]),
  alter(1, [[logger, 'x', [['root', SET, 'INFO']]]]),
  ...(
    [
      ['no.such', SET, '1'],
      ['interval.ms', SET, '5'],
      ['interval.ms', SET, 'x'],
      ['match', SET, 'foo=bar'],
      ['match', SET, 'client_id=['],
      ['metrics', SET, 'a,b'],
    ] as Change[]
  ).map(change => alter(1, [[metrics, 'm', [change]]])),
  describe(4, metrics, 'm', 'metrics'),
  alter(1, [[metrics, '', [['metrics', SET, 'a']]]]),
  ...(
    [
      ['no.such', SET, '1'],
      ['consumer.heartbeat.interval.ms', SET, '1'],
      ['consumer.heartbeat.interval.ms', SET, 'x'],
      ['share.auto.offset.reset', SET, 'foo'],
      ['share.isolation.level', SET, 'foo'],
      ['share.delivery.count.limit', SET, '1'],
      ['share.delivery.count.limit', SET, '11'],
      ['streams.num.standby.replicas', SET, '5'],
      ['streams.assignor.name', SET, 'foo'],
      ['consumer.session.timeout.ms', SET, '50000'],
    ] as Change[]
  ).map(change => alter(1, [[group, 'g', [change]]])),
  describe(4, group, 'g', 'consumer.session.timeout.ms'),
  alter(1, [[group, '', [['consumer.session.timeout.ms', SET, '50000']]]]),
  ...[0, 1, 2].flatMap(version => [
    replace(version, topic, 't', [['retention.ms', String(version + 20)]]),
    describe(4, topic, 't', 'retention.ms', false),
    replace(version, topic, 't', [['retention.ms', null]]),
    replace(version, topic, 't', [['no.such', '1']]),
    replace(version, topic, 'nope', [['retention.ms', '1']]),
    replace(version, logger, '1', [['root', 'INFO']]),
    replace(version, broker, '1', [['num.partitions', '1']]),
    replace(version, broker, '1', []),
    describe(4, broker, '1', 'message.max.bytes'),
  ]),
  list(0),
  list(1),
  ...[topic, broker, logger, metrics, group, 99, 0].map(type => list(1, type)),
]

try {
  await client.request(createTopics, 7, {
    topics: [
      {
        name: 't',
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [{ name: 'retention.ms', value: '5' }],
      },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  await sleep(appliedMs)
  for (const call of calls) await call()
  await writeFixture('configs', exchanges)
  console.log(`${exchanges.length} exchanges`)
} finally {
  client.destroy()
  kafka.child.kill('SIGTERM')
  await endedWithin(kafka.child, 30_000)
  await rm(dataDir, { recursive: true, force: true })
}
