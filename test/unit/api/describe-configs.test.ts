import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerDefinitions } from '../../../src/config/broker-definitions.ts'
import { topicDefinitions } from '../../../src/config/topic-definitions.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { describeConfigs } from '../../../src/protocol/schema/describe-configs.ts'
import { describe, resource, set } from '../../support/config-calls.ts'
import { testBroker } from '../../support/test-broker.ts'

const source = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, static: 4, default: 5, logger: 6, metrics: 7, group: 8 }

for (let version = 1; version <= 4; version++)
  test(`DescribeConfigs v${version} tells every config of a topic, its source and what it hides`, async t => {
    const broker = await testBroker(t, { 'log.retention.hours': '2', 'message.max.bytes': '2000000' })
    await broker.createTopic('t', 1, { 'retention.ms': '5', 'cleanup.policy': ' compact , delete ' })
    const client = broker.connect()
    const { code, configs } = await describe(client, resource.topic, 't', { version, documentation: true })
    assert.equal(code, ErrorCode.NONE)
    assert.deepEqual([...configs.keys()], [...topicDefinitions.keys()])
    const told = (name: string) => {
      const { value, configSource, readOnly, isSensitive, synonyms } = configs.get(name)!
      return [value, configSource, readOnly, isSensitive, synonyms.map(each => [each.name, each.value, each.source])]
    }
    assert.deepEqual(told('retention.ms'), [
      '5',
      source.topic,
      false,
      false,
      [
        ['retention.ms', '5', source.topic],
        ['log.retention.hours', '2', source.static],
        ['log.retention.hours', '168', source.default],
      ],
    ])
    assert.deepEqual(told('max.message.bytes').slice(0, 2), ['2000000', source.static])
    assert.deepEqual(told('cleanup.policy').slice(0, 2), ['compact,delete', source.topic])
    assert.deepEqual(told('flush.messages').slice(0, 2), ['9223372036854775807', source.default])
    assert.deepEqual(told('remote.storage.enable')[4], [])
    if (version < 3) return
    assert.deepEqual(
      [
        'retention.ms',
        'segment.bytes',
        'preallocate',
        'cleanup.policy',
        'compression.type',
        'min.cleanable.dirty.ratio',
      ].map(name => configs.get(name)!.configType),
      [5, 3, 1, 7, 2, 6],
    )
    assert.match(configs.get('retention.ms')!.documentation ?? '', /milliseconds/)
  })

test('synonyms and documentation are told to those who ask', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const { configs } = await describe(broker.connect(), resource.topic, 't', { synonyms: false })
  for (const { synonyms, documentation } of configs.values()) assert.deepEqual([synonyms, documentation], [[], null])
})

test('only the configs that are named are told, and all of them when none is', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const some = await describe(client, resource.topic, 't', { keys: ['segment.ms', 'no.such', 'flush.ms'] })
  assert.deepEqual([some.code, [...some.configs.keys()]], [ErrorCode.NONE, ['flush.ms', 'segment.ms']])
  const all = await describe(client, resource.topic, 't', { keys: [] })
  assert.equal(all.configs.size, topicDefinitions.size)
})

test('a broker tells every config, what it may be changed to while it runs, and where from', async t => {
  const broker = await testBroker(t, { 'num.partitions': '4', 'log.retention.minutes': '3' })
  const client = broker.connect()
  await set(client, resource.broker, '1', { 'message.max.bytes': '7777' })
  await set(client, resource.broker, '', { 'message.max.bytes': '8888', 'log.retention.ms': '9' })
  const { configs } = await describe(client, resource.broker, '1', { documentation: true })
  assert.deepEqual([...configs.keys()], [...brokerDefinitions.keys()])
  const told = (name: string) => {
    const { value, configSource, readOnly } = configs.get(name)!
    return [value, configSource, readOnly]
  }
  assert.deepEqual(told('num.partitions'), ['4', source.static, true])
  assert.deepEqual(told('message.max.bytes'), ['7777', source.dynamicBroker, false])
  assert.deepEqual(told('log.retention.ms'), ['9', source.dynamicDefault, false])
  assert.deepEqual(told('log.retention.minutes'), ['3', source.static, true])
  assert.deepEqual(told('log.retention.hours'), ['168', source.default, true])
  assert.deepEqual(told('broker.rack'), [null, source.default, true])
  assert.deepEqual(told('process.roles'), ['broker,controller', source.default, true])
  assert.deepEqual(
    configs.get('message.max.bytes')!.synonyms.map(({ value, source: from }) => [value, from]),
    [
      ['7777', source.dynamicBroker],
      ['8888', source.dynamicDefault],
      ['1048588', source.default],
    ],
  )
  for (const { documentation, name } of configs.values()) assert.ok((documentation ?? '').length > 0, name)
})

test("the broker '' tells what was changed for all brokers, and that alone", async t => {
  const broker = await testBroker(t, { 'log.segment.bytes': '2000000' })
  const client = broker.connect()
  assert.equal((await describe(client, resource.broker, '')).configs.size, 0)
  await set(client, resource.broker, '', { 'log.segment.bytes': '3000000' })
  const { configs } = await describe(client, resource.broker, '')
  assert.deepEqual([...configs.keys()], ['log.segment.bytes'])
  const [config] = configs.values()
  assert.deepEqual(
    [config!.value, config!.configSource, config!.synonyms.length],
    ['3000000', source.dynamicDefault, 1],
  )
})

test('the logger, client metrics subscriptions and groups are described with what they have or would have', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const logger = await describe(client, resource.logger, '1')
  assert.deepEqual(
    [...logger.configs].map(([name, { value, configSource }]) => [name, value, configSource]),
    [['root', 'INFO', source.logger]],
  )
  await set(client, resource.metrics, 'm', { metrics: ' org.apache. , other ' })
  const metrics = (await describe(client, resource.metrics, 'm')).configs
  assert.deepEqual(
    [...metrics].map(([name, { value, configSource }]) => [name, value, configSource]),
    [
      ['interval.ms', '300000', source.default],
      ['match', '', source.default],
      ['metrics', 'org.apache.,other', source.metrics],
    ],
  )
  await set(client, resource.group, 'g', { 'consumer.session.timeout.ms': '50000' })
  const group = (await describe(client, resource.group, 'g')).configs
  const timeout = group.get('consumer.session.timeout.ms')!
  assert.deepEqual([timeout.value, timeout.configSource], ['50000', source.group])
  assert.deepEqual(
    timeout.synonyms.map(({ name }) => name),
    ['consumer.session.timeout.ms', 'group.consumer.session.timeout.ms'],
  )
  assert.deepEqual([group.size, group.get('share.isolation.level')!.value], [21, 'read_uncommitted'])
})

const refusals: [type: number, name: string, code: number, message: RegExp][] = [
  [resource.topic, 'nope', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /^$/],
  [resource.topic, '', ErrorCode.INVALID_TOPIC_EXCEPTION, /the empty string is not allowed/],
  [resource.topic, 'bad name', ErrorCode.INVALID_TOPIC_EXCEPTION, /ASCII alphanumerics/],
  [resource.broker, '7', ErrorCode.INVALID_REQUEST, /expected 1 or empty string, but received 7$/],
  [resource.broker, 'x', ErrorCode.INVALID_REQUEST, /Broker id must be an integer, but it is: x/],
  [resource.logger, '', ErrorCode.INVALID_REQUEST, /Broker id must not be empty/],
  [resource.logger, '3', ErrorCode.INVALID_REQUEST, /expected 1 but received 3/],
  [resource.metrics, '', ErrorCode.INVALID_REQUEST, /subscription name must not be empty/],
  [resource.group, '', ErrorCode.INVALID_REQUEST, /Group name must not be empty/],
  [99, 'x', ErrorCode.INVALID_REQUEST, /./],
]

test('each resource that cannot be described fails alone, in its place', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const asked = [
    ...refusals.map(([resourceType, resourceName]) => ({ resourceType, resourceName })),
    { resourceType: 2, resourceName: 't' },
  ]
  const { results } = await broker.connect().call(describeConfigs, 4, {
    resources: asked.map(each => ({ ...each, configurationKeys: null })),
    includeSynonyms: false,
    includeDocumentation: false,
  })
  refusals.forEach(([type, name, code, message], index) => {
    const result = results[index]!
    assert.deepEqual([result.resourceType, result.resourceName, result.errorCode], [type, name, code])
    assert.match(result.errorMessage ?? '', message)
    assert.deepEqual(result.configs, [])
  })
  assert.deepEqual([results.at(-1)!.errorCode, results.at(-1)!.configs.length], [ErrorCode.NONE, topicDefinitions.size])
})

test('what does not fit into one answer is refused, and the connection goes on', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const one = { resourceType: resource.topic, resourceName: 't', configurationKeys: null }
  const { results } = await client.call(describeConfigs, 4, {
    resources: Array.from({ length: 20_000 }, () => one),
    includeSynonyms: true,
    includeDocumentation: true,
  })
  const told = results.filter(({ errorCode }) => errorCode === ErrorCode.NONE).length
  assert.ok(told > 1_000 && told < 19_000, `${told} of 20000`)
  assert.deepEqual(new Set(results.slice(told).map(({ errorCode }) => errorCode)), new Set([ErrorCode.INVALID_REQUEST]))
  assert.equal((await describe(client, resource.topic, 't')).code, ErrorCode.NONE)
})
