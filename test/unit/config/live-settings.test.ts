import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigSource } from '../../../src/config/broker-layers.ts'
import { LiveSettings } from '../../../src/config/live-settings.ts'

test('a change is seen at once, by whoever asks and by whoever subscribed', () => {
  const live = new LiveSettings({ 'max.connections': '5' })
  const seen: [number, number][] = []
  const stop = live.onChange((now, before) => seen.push([before.maxConnections, now.maxConnections]))
  live.replace('dynamicDefault', { 'max.connections': '6' })
  live.replace('dynamicBroker', { 'max.connections': '7' })
  assert.equal(live.current.maxConnections, 7)
  live.replace('dynamicBroker', {})
  stop()
  live.replace('dynamicDefault', {})
  assert.equal(live.current.maxConnections, 5)
  assert.deepEqual(seen, [
    [5, 6],
    [6, 7],
    [7, 6],
  ])
})

test("a topic's settings are its own, then the broker's as they are now, then the default", () => {
  const live = new LiveSettings({ 'log.retention.hours': '1', 'log.segment.bytes': '2000000' })
  live.replace('dynamicDefault', { 'log.retention.ms': '9' })
  const topic = live.topic({ 'flush.ms': '7' })
  assert.deepEqual(
    ['flush.ms', 'retention.ms', 'segment.bytes', 'segment.ms'].map(name => [topic.number(name), topic.source(name)]),
    [
      [7, ConfigSource.topic],
      [9, ConfigSource.dynamicDefaultBroker],
      [2_000_000, ConfigSource.staticBroker],
      [604_800_000, ConfigSource.default],
    ],
  )
})

test('stored values that this release refuses are left out by name, the others count', () => {
  const live = new LiveSettings({})
  const refused = live.replace('dynamicBroker', {
    'num.partitions': '3',
    'no.such': '1',
    'message.max.bytes': '-1',
    'max.connections': '4',
  })
  assert.deepEqual(refused, ['num.partitions', 'no.such', 'message.max.bytes'])
  assert.equal(live.current.maxConnections, 4)
  assert.deepEqual(live.layers.dynamicBroker, { 'max.connections': '4' })
})
