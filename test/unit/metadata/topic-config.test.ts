import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConfigSource,
  defaultOf,
  logSettings,
  refuseTopicConfig,
  TopicSettings,
  topicConfigNames,
} from '../../../src/metadata/topic-config.ts'

test('every topic config takes its default, and none takes what is no config', () => {
  for (const name of topicConfigNames) assert.equal(refuseTopicConfig(name, defaultOf(name)), undefined, name)
  assert.equal(refuseTopicConfig('toString', '1'), 'Unknown topic config name: toString')
})

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

test('a value that an earlier release took and this one refuses counts for nothing', () => {
  assert.equal(new TopicSettings({ 'segment.bytes': '5' }, {}).number('segment.bytes'), 1 << 30)
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

test('a compacted log is told how, and rolls a segment before its records have waited too long', () => {
  const log = (configs: Record<string, string>, broker = {}) => logSettings(new TopicSettings(configs, broker))
  const compact = { 'cleanup.policy': 'compact' }
  assert.deepEqual(
    log({ ...compact, 'delete.retention.ms': '7' }, { 'min.cleanable.dirty.ratio': '0.25' }).compaction,
    {
      minCleanableRatio: 0.25,
      minLagMs: 0,
      maxLagMs: Number.MAX_SAFE_INTEGER,
      deleteRetentionMs: 7,
    },
  )
  assert.equal(log({}).compaction, undefined)
  const lag = { 'max.compaction.lag.ms': '5000', 'segment.ms': '60000' }
  assert.equal(log({ ...compact, ...lag }).segmentMs, 5_000)
  assert.equal(log(lag).segmentMs, 60_000, 'only where it is compacted')
  assert.equal(log({ ...compact, 'max.compaction.lag.ms': '5000', 'segment.ms': '4000' }).segmentMs, 4_000)
})
