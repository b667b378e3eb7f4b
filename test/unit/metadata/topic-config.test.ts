import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConfigSource,
  defaultOf,
  logSettings,
  refuseTopicConfig,
  TopicSettings,
  topicConfigTypes,
} from '../../../src/metadata/topic-config.ts'

const taken = (name: string, value: string): boolean => refuseTopicConfig(name, value) === undefined

for (const [name, type] of Object.entries(topicConfigTypes)) {
  test(`${name} takes its default and refuses what is out of its bounds`, () => {
    if (type.kind !== 'list' || type.default !== '') assert.ok(taken(name, defaultOf(name)), 'its default')
    switch (type.kind) {
      case 'int':
      case 'long': {
        const most = type.kind === 'int' ? 2n ** 31n - 1n : 2n ** 63n - 1n
        const max = type.max === undefined ? most : BigInt(type.max)
        assert.ok(taken(name, String(type.min)))
        assert.ok(!taken(name, String(BigInt(type.min) - 1n)))
        assert.ok(taken(name, String(max)))
        assert.ok(!taken(name, String(max + 1n)))
        for (const text of ['', 'x', '1.5', '1e3', '0x10']) assert.ok(!taken(name, text), text)
        assert.ok(taken(name, ` ${max} `), 'white space around it')
        break
      }
      case 'double':
        for (const text of [String(type.min), String(type.max)]) assert.ok(taken(name, text), text)
        for (const text of ['', 'x', '-0.01', '1.01', 'NaN']) assert.ok(!taken(name, text), text)
        break
      case 'boolean':
        for (const flag of [true, false])
          assert.equal(taken(name, String(flag)), type.only === undefined || type.only === flag)
        for (const text of ['', 'yes', '1']) assert.ok(!taken(name, text), text)
        break
      case 'choice':
        for (const choice of type.choices) assert.ok(taken(name, choice), choice)
        for (const choice of [...(type.refused ?? []), '', 'other']) assert.ok(!taken(name, choice), choice)
        break
      case 'list':
        if (type.choices === undefined) assert.ok(taken(name, '0:1,1:2'))
        else for (const text of ['', 'other', `${type.choices[0]},other`]) assert.ok(!taken(name, text), text)
        break
    }
  })
}

test("what the topic sets wins over the broker's value, and that over the default", () => {
  const settings = new TopicSettings({ 'retention.ms': '5' }, { 'retention.ms': '7', 'segment.ms': '9' })
  assert.deepEqual(
    ['retention.ms', 'segment.ms', 'flush.ms'].map(name => [settings.number(name), settings.source(name)]),
    [
      [5, ConfigSource.topic],
      [9, ConfigSource.staticBroker],
      [Number.MAX_SAFE_INTEGER, ConfigSource.default],
    ],
  )
  assert.equal(settings.text('flush.ms'), '9223372036854775807')
})

test('a log is told what its topic is set to', () => {
  const told = logSettings(
    new TopicSettings(
      { 'cleanup.policy': 'compact, delete', 'message.timestamp.type': 'LogAppendTime', 'max.message.bytes': '77' },
      {},
    ),
  )
  assert.deepEqual([told.requireKeys, told.logAppendTime, told.maxMessageBytes], [true, true, 77])
  const plain = logSettings(new TopicSettings({}, {}))
  assert.deepEqual([plain.requireKeys, plain.logAppendTime, plain.segmentBytes], [false, false, 1 << 30])
  assert.equal(plain.timestampBeforeMaxMs, Number.MAX_SAFE_INTEGER)
})
