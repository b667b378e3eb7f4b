import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatEndpoint, parseEndpoint, readBrokerConfig } from '../../../src/app/config.ts'
import { parseProperties } from '../../../src/app/properties.ts'
import { LiveSettings } from '../../../src/config/live-settings.ts'

const read = (configs: Record<string, string> = {}) => readBrokerConfig(new Map(Object.entries(configs)))
const refused = (configs: Record<string, string>, message: RegExp) =>
  assert.throws(() => read(configs), { code: 'INVALID_CONFIG', message })

test('nothing given is a broker on the loopback address', () => {
  const { config, ignored } = read()
  assert.deepEqual(config.listeners, [{ host: '127.0.0.1', port: 9092 }])
  assert.deepEqual([config.nodeId, config.dataDirectory, config.autoCreateTopics], [1, './data', true])
  assert.deepEqual([ignored, config.statics, config.frameBudgetBytes], [[], {}, 256 << 20])
})

test('names that mean nothing here are returned, and not refused', () => {
  assert.deepEqual(read({ 'zookeeper.connect': 'x', 'num.partitions': '2', toString: 'x' }).ignored, [
    'zookeeper.connect',
    'toString',
  ])
})

test('values out of range are refused by name', () => {
  refused({ 'num.partitions': '0' }, /num\.partitions/)
  refused({ 'num.partitions': 'two' }, /num\.partitions/)
  refused({ 'num.partitions': '' }, /num\.partitions/)
  refused({ 'num.partitions': '1.5' }, /num\.partitions/)
  refused({ 'auto.create.topics.enable': 'yes' }, /auto\.create\.topics\.enable/)
  refused({ 'log.retention.ms': 'x' }, /log\.retention\.ms/)
  refused({ 'log.retention.hours': '1.00001' }, /log\.retention\.hours/)
  refused({ 'log.dirs': '/a,/b' }, /one directory/)
})

test("what other parts read has Kafka's defaults, and what was given", () => {
  const { config } = read()
  assert.deepEqual([config.fetchSessionCacheSlots, config.retentionCheckIntervalMs], [1_000, 300_000])
  const given = { 'max.incremental.fetch.session.cache.slots': '7', 'log.retention.check.interval.ms': ' +9 ' }
  assert.deepEqual([read(given).config.fetchSessionCacheSlots, read(given).config.retentionCheckIntervalMs], [7, 9])
  assert.deepEqual(read(given).config.statics, {
    'max.incremental.fetch.session.cache.slots': '7',
    'log.retention.check.interval.ms': '9',
  })
})

test('a config whose value is fixed here is reported when it is given another', () => {
  const same = { 'security.inter.broker.protocol': 'PLAINTEXT', 'authorizer.class.name': '' }
  assert.deepEqual(read(same), { config: read().config, ignored: [] })
  assert.deepEqual(read({ 'security.inter.broker.protocol': 'SSL' }).ignored, ['security.inter.broker.protocol'])
})

test('broker.id is the older name of node.id, and may not contradict it', () => {
  assert.equal(read({ 'broker.id': '4' }).config.nodeId, 4)
  assert.equal(read({ 'broker.id': '4', 'node.id': '4' }).config.nodeId, 4)
  assert.equal(read({ 'broker.id': '-1' }).config.nodeId, 1)
  refused({ 'broker.id': '4', 'node.id': '5' }, /broker\.id/)
})

test('configs that do not go together are refused', () => {
  refused({ 'log.cleaner.min.compaction.lag.ms': '10', 'log.cleaner.max.compaction.lag.ms': '5' }, /conflict/)
})

test('the finer unit of a time wins, hours become milliseconds, -1 stays -1', () => {
  const retention = (configs: Record<string, string>) =>
    new LiveSettings(read(configs).config.statics).topic({}).text('retention.ms')
  assert.equal(retention({ 'log.retention.hours': '2' }), '7200000')
  const both = { 'log.retention.hours': '2', 'log.retention.minutes': '3', 'log.retention.ms': '5' }
  assert.equal(retention(both), '5')
  assert.equal(retention({ 'log.retention.hours': '-1' }), '-1')
})

test('listeners are plain text, reachable, and one advertised for each', () => {
  const { config } = read({ listeners: 'PLAINTEXT://[::1]:9092, plaintext://localhost:0' })
  assert.deepEqual(config.listeners, [
    { host: '::1', port: 9092 },
    { host: 'localhost', port: 0 },
  ])
  refused({ listeners: 'SSL://localhost:9092' }, /PLAINTEXT/)
  refused({ listeners: 'localhost:9092' }, /PLAINTEXT:\/\/host:port/)
  refused({ listeners: 'PLAINTEXT://localhost:70000' }, /65535/)
  for (const host of ['', '0.0.0.0', '[::]'])
    refused({ listeners: `PLAINTEXT://${host}:9092` }, /advertised\.listeners/)
  const advertised = { 'advertised.listeners': 'PLAINTEXT://broker.example:9092' }
  assert.doesNotThrow(() => read({ listeners: 'PLAINTEXT://0.0.0.0:9092', ...advertised }))
  refused({ listeners: 'PLAINTEXT://a:1,PLAINTEXT://b:2', ...advertised }, /one address for each/)
})

test('endpoints of the command line go both ways', () => {
  for (const text of ['127.0.0.1:9092', '[::1]:0', 'broker.example:1'])
    assert.equal(formatEndpoint(parseEndpoint('--listen', text)), text)
  for (const text of ['9092', 'localhost', 'localhost:', 'localhost:x'])
    assert.throws(() => parseEndpoint('--listen', text), /HOST:PORT/)
})

test('properties are read as Kafka reads them', () => {
  const text = [
    '# a comment',
    '! another',
    'a=1',
    '  b : two words  ',
    'c=x=y',
    'empty=',
    'alone',
    'long=one,\\',
    '    two',
    'windows=line\r',
    'a=2',
  ].join('\n')
  assert.deepEqual(
    [...parseProperties(text)],
    [
      ['a', '2'],
      ['b', 'two words'],
      ['c', 'x=y'],
      ['empty', ''],
      ['alone', ''],
      ['long', 'one,two'],
      ['windows', 'line'],
    ],
  )
})
