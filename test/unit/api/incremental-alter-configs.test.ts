import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { change, changes, configOf, describe, operation, resource, set } from '../../support/config-calls.ts'
import { batchOf, dataDirectory, produceOne, TestBroker, testBroker } from '../../support/test-broker.ts'

const { topic, broker: brokerResource, logger, metrics, group } = resource
const { set: SET, delete: DELETE, append: APPEND, subtract: SUBTRACT } = operation
const ok: [number, null] = [ErrorCode.NONE, null]

for (const version of [0, 1])
  test(`IncrementalAlterConfigs v${version} changes what is named, and nothing else`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 1, { 'retention.ms': '5', 'flush.ms': '6' })
    const client = broker.connect()
    const asked = changes(topic, 't', [
      ['retention.ms', SET, '7'],
      ['segment.ms', SET, ' +8 '],
      ['flush.messages', DELETE, null],
    ])
    assert.deepEqual(await change(client, [asked], { version }), [ok])
    for (const [name, value] of [
      ['retention.ms', '7'],
      ['segment.ms', '8'],
      ['flush.ms', '6'],
      ['flush.messages', '9223372036854775807'],
    ] as const)
      assert.equal(await configOf(client, topic, 't', name), value, name)
    assert.deepEqual(await change(client, [changes(topic, 't', [['retention.ms', DELETE, null]])], { version }), [ok])
    assert.equal(await configOf(client, topic, 't', 'retention.ms'), '604800000')
  })

test('lists grow by what they lack and shrink by what is named, from the default where nothing is set', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const policy = () => configOf(client, topic, 't', 'cleanup.policy')
  const alter = async (how: number, value: string) => {
    assert.deepEqual(await change(client, [changes(topic, 't', [['cleanup.policy', how, value]])]), [ok])
    return await policy()
  }
  assert.equal(await alter(APPEND, 'compact,compact'), 'delete,compact')
  assert.equal(await alter(APPEND, 'delete'), 'delete,compact')
  assert.equal(await alter(SUBTRACT, 'delete,other'), 'compact')
  assert.equal(await alter(SUBTRACT, 'compact'), '', 'an empty list is a value')
  assert.deepEqual(await change(client, [changes(topic, 't', [['cleanup.policy', APPEND, 'shred']])]), [
    [
      ErrorCode.INVALID_CONFIG,
      'Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete',
    ],
  ])
  const throttled = 'leader.replication.throttled.replicas'
  const grown = changes(brokerResource, '', [['log.cleanup.policy', APPEND, 'compact']])
  assert.deepEqual(await change(client, [changes(topic, 't', [[throttled, APPEND, '0:1']]), grown]), [ok, ok])
  assert.equal(await configOf(client, brokerResource, '1', 'log.cleanup.policy'), 'delete,compact')
})

const refusals: [
  what: string,
  type: number,
  name: string,
  list: Parameters<typeof changes>[2],
  code: number,
  message: string,
][] = [
  [
    'an unknown config',
    topic,
    't',
    [['no.such', SET, '1']],
    ErrorCode.INVALID_CONFIG,
    'Unknown topic config name: no.such',
  ],
  [
    'a name of every object',
    topic,
    't',
    [['__proto__', SET, '1']],
    ErrorCode.INVALID_CONFIG,
    'Unknown topic config name: __proto__',
  ],
  [
    'a null value',
    topic,
    't',
    [
      ['retention.ms', SET, null],
      ['segment.ms', APPEND, null],
      ['flush.ms', DELETE, null],
    ],
    ErrorCode.INVALID_REQUEST,
    'Null value not supported for : retention.ms, segment.ms',
  ],
  [
    'a config named twice',
    topic,
    't',
    [
      ['retention.ms', SET, '1'],
      ['retention.ms', SET, '2'],
    ],
    ErrorCode.INVALID_REQUEST,
    'Error due to duplicate config keys',
  ],
  [
    'an operation that does not exist',
    topic,
    't',
    [['retention.ms', 7, '1']],
    ErrorCode.INVALID_REQUEST,
    'Unknown operations type 7',
  ],
  [
    'growing what is no list',
    topic,
    't',
    [['retention.ms', APPEND, '1']],
    ErrorCode.INVALID_CONFIG,
    "Can't APPEND to key retention.ms because its type is not LIST.",
  ],
  [
    'a topic that is not there',
    topic,
    'nope',
    [['retention.ms', SET, '1']],
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    "The topic 'nope' does not exist.",
  ],
  [
    'a wrong value of a topic that is not there',
    topic,
    'nope',
    [['retention.ms', SET, 'x']],
    ErrorCode.INVALID_CONFIG,
    'Invalid value x for configuration retention.ms: Not a number of type LONG',
  ],
  [
    'a topic without a name',
    topic,
    '',
    [['retention.ms', SET, '1']],
    ErrorCode.INVALID_REQUEST,
    'Default topic resources are not allowed.',
  ],
  [
    'values that do not go together',
    topic,
    't',
    [
      ['min.compaction.lag.ms', SET, '10'],
      ['max.compaction.lag.ms', SET, '5'],
    ],
    ErrorCode.INVALID_CONFIG,
    'conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)',
  ],
  [
    'broker configs that need a restart',
    brokerResource,
    '1',
    [
      ['num.partitions', SET, '3'],
      ['node.id', SET, '3'],
    ],
    ErrorCode.INVALID_REQUEST,
    'Cannot update these configs dynamically: [node.id, num.partitions]',
  ],
  [
    'a broker config that nothing reads',
    brokerResource,
    '',
    [['no.such', SET, '1']],
    ErrorCode.INVALID_CONFIG,
    'Unknown config name: no.such',
  ],
  [
    'a wrong value of a broker',
    brokerResource,
    '1',
    [['message.max.bytes', SET, '-1']],
    ErrorCode.INVALID_REQUEST,
    'Invalid value -1 for configuration message.max.bytes: Value must be at least 0',
  ],
  [
    'growing what is no list of a broker',
    brokerResource,
    '1',
    [['message.max.bytes', SUBTRACT, '1']],
    ErrorCode.INVALID_CONFIG,
    'Config value subtract is not allowed for config key: message.max.bytes',
  ],
  [
    'another broker',
    brokerResource,
    '7',
    [['message.max.bytes', SET, '1']],
    ErrorCode.INVALID_REQUEST,
    'Unexpected broker id, expected 1, but received 7',
  ],
  [
    'a broker that is no number',
    brokerResource,
    'x',
    [['message.max.bytes', SET, '1']],
    ErrorCode.INVALID_REQUEST,
    'Node id must be an integer, but it is: x',
  ],
  [
    'a level that does not exist',
    logger,
    '1',
    [['root', SET, 'info']],
    ErrorCode.INVALID_CONFIG,
    'Cannot set the log level of root to info as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN',
  ],
  [
    'a logger that does not exist',
    logger,
    '1',
    [['other', SET, 'INFO']],
    ErrorCode.INVALID_CONFIG,
    'Logger other does not exist!',
  ],
  [
    'the only logger without a level',
    logger,
    '1',
    [['root', DELETE, null]],
    ErrorCode.INVALID_REQUEST,
    'Removing the log level of the root logger is not allowed',
  ],
  [
    'growing a level',
    logger,
    '1',
    [['root', APPEND, 'INFO']],
    ErrorCode.INVALID_REQUEST,
    'APPEND operation is not allowed for the BROKER_LOGGER resource',
  ],
  [
    'an interval out of range',
    metrics,
    'm',
    [['interval.ms', SET, '5']],
    ErrorCode.INVALID_REQUEST,
    'Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)',
  ],
  [
    'a pattern for nobody',
    metrics,
    'm',
    [['match', SET, 'foo=bar']],
    ErrorCode.INVALID_CONFIG,
    'Illegal client matching pattern: foo=bar',
  ],
  [
    'a pattern that is none',
    metrics,
    'm',
    [['match', SET, 'client_id=[']],
    ErrorCode.INVALID_CONFIG,
    'Illegal client matching pattern: client_id=[',
  ],
  [
    'a subscription without a name',
    metrics,
    '',
    [['metrics', SET, 'a']],
    ErrorCode.INVALID_REQUEST,
    "Subscription name can't be empty",
  ],
  [
    'an unknown group config',
    group,
    'g',
    [['no.such', SET, '1']],
    ErrorCode.INVALID_CONFIG,
    'Unknown group config name: no.such',
  ],
  [
    'a group timeout out of range',
    group,
    'g',
    [['consumer.session.timeout.ms', SET, '1']],
    ErrorCode.INVALID_CONFIG,
    'consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.',
  ],
  [
    'a group without a name',
    group,
    '',
    [['consumer.session.timeout.ms', SET, '50000']],
    ErrorCode.INVALID_REQUEST,
    'Default group resources are not allowed.',
  ],
  ['a kind that does not exist', 99, 'x', [['a', SET, '1']], ErrorCode.INVALID_REQUEST, 'Unknown resource type 99'],
]

test('each resource that cannot change fails alone and changes nothing', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  await broker.createTopic('good')
  const client = broker.connect()
  for (const [what, type, name, list, code, message] of refusals) {
    const also = [...list, ['flush.ms', SET, '77'] as const]
    const asked = type === topic && !list.some(([config]) => config === 'flush.ms') ? also : list
    const good = changes(topic, 'good', [['retention.ms', SET, '42']])
    assert.deepEqual(await change(client, [changes(type, name, asked), good]), [[code, message], ok], what)
    assert.equal(await configOf(client, topic, 'good', 'retention.ms'), '42', what)
    assert.equal(await configOf(client, topic, 't', 'flush.ms'), '9223372036854775807', `${what}: half done`)
    await change(client, [changes(topic, 'good', [['retention.ms', DELETE, null]])])
  }
})

test('a resource that is named twice fails each time', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const twice: [number, string] = [ErrorCode.INVALID_REQUEST, 'Each resource must appear at most once.']
  const one = changes(topic, 't', [['retention.ms', SET, '1']])
  const other = changes(brokerResource, '', [['message.max.bytes', SET, '9']])
  assert.deepEqual(await change(client, [one, other, one]), [twice, ok, twice])
  assert.equal(await configOf(client, topic, 't', 'retention.ms'), '604800000')
})

test('validateOnly judges and changes nothing', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const all = [
    changes(topic, 't', [['retention.ms', SET, '1']]),
    changes(brokerResource, '1', [['message.max.bytes', SET, '9']]),
    changes(logger, '1', [['root', SET, 'ERROR']]),
    changes(metrics, 'm', [['metrics', SET, 'a']]),
    changes(group, 'g', [['consumer.session.timeout.ms', SET, '50000']]),
    changes(topic, 't2', [['retention.ms', SET, '1']]),
  ]
  const answers = await change(client, all, { validateOnly: true })
  assert.deepEqual(answers.slice(0, 5), [ok, ok, ok, ok, ok])
  assert.equal(answers[5]![0], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  assert.equal(await configOf(client, topic, 't', 'retention.ms'), '604800000')
  assert.equal(await configOf(client, brokerResource, '1', 'message.max.bytes'), '1048588')
  assert.equal(await configOf(client, logger, '1', 'root'), 'INFO')
  assert.equal(await configOf(client, metrics, 'm', 'metrics'), '')
  assert.equal(await configOf(client, group, 'g', 'consumer.session.timeout.ms'), '45000')
})

test('the level of the logger is changed at once', async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  const noise = async () => {
    const bad = broker.connect()
    bad.deliver([new Uint8Array(3)])
    await broker.world.time.settle()
    return broker.logger.lines.length
  }
  const before = broker.logger.lines.length
  const after = await noise()
  assert.ok(after > before, 'a malformed request is told')
  await set(client, logger, '1', { root: 'ERROR' })
  assert.equal(await noise(), after)
})

test('the allowed numbers of connections are changed at once, and are in effect from the start', async t => {
  const broker = await testBroker(t, { 'max.connections': '50' })
  const limits = () => {
    const { maxConnections, maxConnectionsPerIp } = broker.world.network.settings!
    return [maxConnections, maxConnectionsPerIp]
  }
  assert.deepEqual(limits(), [50, 2_147_483_647])
  const client = broker.connect()
  await set(client, brokerResource, '', { 'max.connections': '7', 'max.connections.per.ip': '3' })
  assert.deepEqual(limits(), [7, 3])
  await change(client, [changes(brokerResource, '', [['max.connections', DELETE, null]])])
  assert.deepEqual(limits(), [50, 3])
})

test('a change that cannot be written to the metadata changes nothing', async t => {
  const broker = await TestBroker.start()
  t.after(() => broker.world.machine.killProcess())
  await broker.createTopic('t')
  const client = broker.connect()
  broker.world.storage.fail(`${dataDirectory}/__cluster_metadata-0`)
  const lines = [
    changes(topic, 't', [['retention.ms', SET, '1']]),
    changes(brokerResource, '', [['message.max.bytes', SET, '9']]),
    changes(group, 'g', [['consumer.session.timeout.ms', SET, '50000']]),
  ]
  for (const [code, message] of await change(client, lines)) {
    assert.equal(code, ErrorCode.KAFKA_STORAGE_ERROR)
    assert.match(message ?? '', /metadata log/)
  }
  assert.equal(await configOf(client, topic, 't', 'retention.ms'), '604800000')
  assert.equal((await describe(client, brokerResource, '')).configs.size, 0)
  assert.ok(broker.logger.has('configs could not be changed'))
})

test('a change is not seen before it is durable', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const [changing, looking] = [broker.connect(), broker.connect()]
  broker.world.storage.holdFlushes = true
  const pending = change(changing, [
    changes(topic, 't', [['max.message.bytes', SET, '10']]),
    changes(brokerResource, '', [['message.max.bytes', SET, '9']]),
  ])
  await broker.world.time.settle()
  assert.equal(await configOf(looking, topic, 't', 'max.message.bytes'), '1048588')
  broker.world.storage.holdFlushes = false
  broker.world.storage.flush()
  assert.deepEqual(await pending, [ok, ok])
  assert.equal(await configOf(looking, topic, 't', 'max.message.bytes'), '10')
  assert.equal((await produceOne(looking, 't', batchOf(['x'.repeat(100)]))).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
})

test('values that were set survive a kill, and are in effect when the broker serves again', async t => {
  const first = await TestBroker.start()
  await first.createTopic('t')
  await first.createTopic('own', 1, { 'max.message.bytes': '1000000' })
  const client = first.connect()
  await set(client, topic, 't', { 'retention.ms': '5' })
  await set(client, brokerResource, '', { 'message.max.bytes': '200', 'log.retention.ms': '6' })
  await set(client, brokerResource, '1', { 'message.max.bytes': '300' })
  await set(client, metrics, 'm', { metrics: 'a' })
  await set(client, group, 'g', { 'consumer.session.timeout.ms': '50000' })
  await set(client, group, 'gone', { 'consumer.session.timeout.ms': '50000' })
  await change(client, [changes(group, 'gone', [['consumer.session.timeout.ms', DELETE, null]])])
  const { machine } = first.world
  machine.killProcess()
  const second = await TestBroker.start({}, machine, 2)
  t.after(() => second.stop())
  const again = second.connect()
  assert.equal(await configOf(again, topic, 't', 'retention.ms'), '5')
  assert.equal(await configOf(again, topic, 'own', 'retention.ms'), '6')
  assert.equal(await configOf(again, brokerResource, '1', 'message.max.bytes'), '300')
  assert.equal(await configOf(again, metrics, 'm', 'metrics'), 'a')
  assert.equal(await configOf(again, group, 'g', 'consumer.session.timeout.ms'), '50000')
  assert.equal(await configOf(again, group, 'gone', 'consumer.session.timeout.ms'), '45000')
  const batch = batchOf(['x'.repeat(500)])
  assert.equal((await produceOne(again, 't', batch)).errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  assert.equal((await produceOne(again, 'own', batch)).errorCode, ErrorCode.NONE)
})
