import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { brokerDefinitions, brokerSynonyms } from '../../../src/config/broker-definitions.ts'
import { refuseBrokerConfig } from '../../../src/config/broker-layers.ts'
import { type ConfigDefinition, ConfigType, parseConfig } from '../../../src/config/definition.ts'
import { clientMetricsDefinitions, groupDefinitions } from '../../../src/config/group-definitions.ts'
import { topicDefinitions } from '../../../src/config/topic-definitions.ts'

const tables = { topicDefinitions, brokerDefinitions, groupDefinitions, clientMetricsDefinitions }
const all: [string, ConfigDefinition][] = Object.entries(tables).flatMap(([table, definitions]) =>
  [...definitions.values()].map(definition => [table, definition] as [string, ConfigDefinition]),
)
const parsed = (definition: ConfigDefinition, text: string): string | undefined => {
  const result = parseConfig(definition, text)
  return result.ok ? result.value : undefined
}

test('every default passes its own validation, and is printed as it stands', () => {
  for (const [table, definition] of all)
    if (definition.default !== null)
      assert.equal(parsed(definition, definition.default), definition.default, `${table} ${definition.name}`)
})

test('what is printed of a value that was taken is taken again, and printed the same', () => {
  const text = fc.oneof(
    fc.string(),
    fc.integer().map(String),
    fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
    fc.double().map(String),
    fc.constantFrom('true', ' FALSE ', 'delete, compact', '', '*', '0:1,1:2', '+7', '1e-7', '-0'),
  )
  fc.assert(
    fc.property(fc.constantFrom(...all), text, ([, definition], value) => {
      const once = parsed(definition, value)
      if (once !== undefined) assert.equal(parsed(definition, once), once)
    }),
    { numRuns: 3_000 },
  )
})

test('names are in order, so that they are described in order', () => {
  for (const definitions of Object.values(tables))
    assert.deepEqual([...definitions.keys()], [...definitions.keys()].sort())
})

const refusals: [name: string, text: string, message: string][] = [
  ['retention.ms', 'x', 'Invalid value x for configuration retention.ms: Not a number of type LONG'],
  [
    'segment.bytes',
    '99999999999',
    'Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT',
  ],
  ['segment.bytes', '5', 'Invalid value 5 for configuration segment.bytes: Value must be at least 1048576'],
  [
    'compression.lz4.level',
    '18',
    'Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17',
  ],
  [
    'compression.gzip.level',
    '0',
    'Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1',
  ],
  ['preallocate', 'yes', 'Invalid value yes for configuration preallocate: Expected value to be either true or false'],
  [
    'message.timestamp.type',
    'Foo',
    'Invalid value Foo for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime',
  ],
  [
    'min.cleanable.dirty.ratio',
    '1.5',
    'Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1',
  ],
  [
    'min.cleanable.dirty.ratio',
    'NaN',
    'Invalid value NaN for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE',
  ],
  [
    'cleanup.policy',
    'foo',
    'Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete',
  ],
  ['cleanup.policy', 'delete,,compact', "Configuration 'cleanup.policy' values must not be empty."],
  [
    'leader.replication.throttled.replicas',
    '*,0:1',
    'Invalid value [*, 0:1] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas ' +
      "must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  ],
  [
    'remote.storage.enable',
    'true',
    'Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.',
  ],
]

for (const [name, text, message] of refusals)
  test(`${name}=${text} is refused in Kafka's words`, () => {
    assert.deepEqual(parseConfig(topicDefinitions.get(name)!, text), { ok: false, error: message })
  })

test('what Kafka takes and this broker cannot carry out is refused with what it does serve', () => {
  for (const [name, text] of [
    ['compression.type', 'zstd'],
    ['max.decompressed.message.bytes', '1000'],
    ['errors.deadletterqueue.group.enable', 'true'],
  ] as const) {
    const result = parseConfig(topicDefinitions.get(name)!, text)
    assert.match(result.ok ? '' : result.error, /serves only|has no share groups/)
  }
})

const printed: [name: string, text: string, value: string][] = [
  ['retention.ms', ' +77 ', '77'],
  ['preallocate', ' TRUE ', 'true'],
  ['cleanup.policy', ' compact , delete ', 'compact,delete'],
  ['cleanup.policy', '', ''],
  ['min.cleanable.dirty.ratio', '1', '1.0'],
  ['min.cleanable.dirty.ratio', '0.0001', '1.0E-4'],
]

for (const [name, text, value] of printed)
  test(`${name}=${JSON.stringify(text)} is printed as Kafka prints it`, () => {
    assert.equal(parsed(topicDefinitions.get(name)!, text), value)
  })

test('every broker synonym of a topic config is a broker config', () => {
  for (const name of topicDefinitions.keys())
    for (const synonym of brokerSynonyms(name)) assert.ok(brokerDefinitions.has(synonym.name), synonym.name)
})

test("a broker config is judged as the topic config too, in the topic config's unit", () => {
  assert.equal(refuseBrokerConfig('log.retention.hours', '2147483647'), undefined)
  assert.match(
    refuseBrokerConfig('log.flush.interval.ms', '-1') ?? '',
    /log\.flush\.interval\.ms: Value must be at least 0/,
  )
  for (const name of ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'])
    assert.equal(refuseBrokerConfig(name, '-5'), undefined, 'below zero is for ever')
})

test('types are those of DescribeConfigs', () => {
  assert.deepEqual(Object.values(ConfigType), [1, 2, 3, 4, 5, 6, 7, 8, 9])
})
