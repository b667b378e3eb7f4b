import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type BrokerLayers,
  brokerConfigEntries,
  ConfigSource,
  topicDefaults,
} from '../../../src/config/broker-layers.ts'

const layers = (more: Partial<BrokerLayers>): BrokerLayers => ({
  dynamicBroker: {},
  dynamicDefault: {},
  statics: {},
  ...more,
})

test('this broker wins over all brokers, and what was changed over what it was started with', () => {
  const all = layers({
    dynamicBroker: { 'log.retention.ms': '1' },
    dynamicDefault: { 'log.retention.ms': '2' },
    statics: { 'log.retention.ms': '3', 'log.retention.hours': '4' },
  })
  assert.deepEqual(
    brokerConfigEntries('log.retention.ms', all).map(({ name, value, source }) => [name, value, source]),
    [
      ['log.retention.ms', '1', ConfigSource.dynamicBroker],
      ['log.retention.ms', '2', ConfigSource.dynamicDefaultBroker],
      ['log.retention.ms', '3', ConfigSource.staticBroker],
      ['log.retention.hours', '4', ConfigSource.staticBroker],
      ['log.retention.hours', '168', ConfigSource.default],
    ],
  )
  assert.deepEqual(topicDefaults(all), {
    values: { 'retention.ms': '1' },
    sources: { 'retention.ms': ConfigSource.dynamicBroker },
  })
})

test('within a layer the finer unit wins, across layers the layer does', () => {
  const statics = { 'log.retention.hours': '2', 'log.retention.minutes': '3', 'log.roll.hours': '1' }
  assert.deepEqual(topicDefaults(layers({ statics })).values, { 'retention.ms': '180000', 'segment.ms': '3600000' })
  const coarse = layers({ statics: { 'log.roll.ms': '5' }, dynamicDefault: { 'log.roll.ms': '6' } })
  assert.deepEqual(topicDefaults(coarse).sources, { 'segment.ms': ConfigSource.dynamicDefaultBroker })
})

test('a finer unit is not what a coarser one is set to', () => {
  const both = layers({ statics: { 'log.retention.ms': '5' } })
  assert.equal(brokerConfigEntries('log.retention.hours', both)[0]!.value, '168')
  assert.deepEqual(brokerConfigEntries('log.retention.minutes', both), [])
})

test('below zero is for ever in every unit', () => {
  for (const name of ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'])
    assert.equal(topicDefaults(layers({ statics: { [name]: '-7' } })).values['retention.ms'], '-1')
})
