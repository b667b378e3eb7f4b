import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBrokerConfig } from '../../../src/app/config.ts'
import { refuseBrokerConfigs } from '../../../src/config/change.ts'
import { LiveSettings } from '../../../src/config/live-settings.ts'

const read = (configs: Record<string, string>) => readBrokerConfig(new Map(Object.entries(configs)))

test('what is set for groups is read, in the forms in which Kafka takes it', () => {
  const { config, ignored } = read({
    'group.consumer.assignors': 'org.apache.kafka.coordinator.group.assignor.RangeAssignor, uniform',
    'group.consumer.migration.policy': 'Upgrade',
    'group.coordinator.rebalance.protocols': 'classic',
    'offsets.retention.minutes': '2',
  })
  const { groups } = new LiveSettings(config.statics).current
  assert.deepEqual(ignored, [])
  assert.deepEqual(groups.consumerAssignors, ['range', 'uniform'])
  assert.equal(groups.consumerMigration, 'upgrade')
  assert.equal(groups.consumerProtocol, false)
  assert.equal(groups.offsetsRetentionMs, 120_000)
  assert.equal(new LiveSettings({}).current.groups.consumerProtocol, true)
})

const refused: [configs: Record<string, string>, why: RegExp][] = [
  [{ 'group.consumer.assignors': '' }, /must not be empty/],
  [{ 'group.consumer.assignors': 'sticky' }, /sticky.*built in: uniform, range/],
  [
    { 'group.consumer.assignors': 'range,org.apache.kafka.coordinator.group.assignor.RangeAssignor' },
    /must not be duplicated/,
  ],
  [{ 'group.consumer.migration.policy': 'sideways' }, /String must be one of \(case insensitive\)/],
  [{ 'group.coordinator.rebalance.protocols': 'consumer' }, /Disabling the 'classic' protocol/],
  [
    { 'group.consumer.session.timeout.ms': '70000' },
    /session\.timeout\.ms must be less than or equal to group\.consumer\.max\.session\.timeout\.ms/,
  ],
  [
    { 'group.consumer.min.heartbeat.interval.ms': '6000' },
    /heartbeat\.interval\.ms must be greater than or equal to group\.consumer\.min/,
  ],
  [
    {
      'group.consumer.session.timeout.ms': '10000',
      'group.consumer.min.session.timeout.ms': '1000',
      'group.consumer.heartbeat.interval.ms': '15000',
    },
    /heartbeat\.interval\.ms must be less than group\.consumer\.session\.timeout\.ms/,
  ],
  [{ 'offsets.retention.minutes': '0' }, /Value must be at least 1/],
]

for (const [configs, why] of refused)
  test(`${JSON.stringify(configs)} is refused`, () => {
    assert.throws(() => read(configs), why)
  })

test('the one interval that may change while the broker runs keeps within its bounds', () => {
  const { layers } = new LiveSettings({})
  const change = (name: string, value: string) => refuseBrokerConfigs({ [name]: value }, 'dynamicBroker', layers)
  assert.equal(change('group.consumer.assignment.interval.ms', '15000'), undefined)
  assert.match(change('group.consumer.assignment.interval.ms', '15001')?.message ?? '', /less than or equal/)
  assert.match(change('group.max.size', '5')?.message ?? '', /Cannot update these configs dynamically/)
})
