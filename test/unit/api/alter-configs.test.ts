import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { configOf, replace, resource, set } from '../../support/config-calls.ts'
import { testBroker } from '../../support/test-broker.ts'

for (const version of [0, 1, 2])
  test(`AlterConfigs v${version} leaves a topic with what is named, and nothing else`, async t => {
    const broker = await testBroker(t)
    await broker.createTopic('t', 1, { 'retention.ms': '5', 'flush.ms': '6' })
    const client = broker.connect()
    const only = await replace(client, resource.topic, 't', { 'segment.ms': '7' }, { version, validateOnly: true })
    assert.deepEqual([only, await configOf(client, resource.topic, 't', 'retention.ms')], [[ErrorCode.NONE, null], '5'])
    await replace(client, resource.topic, 't', { 'segment.ms': '7', 'flush.ms': '8' }, { version })
    assert.deepEqual(
      await Promise.all(
        ['retention.ms', 'segment.ms', 'flush.ms'].map(name => configOf(broker.connect(), resource.topic, 't', name)),
      ),
      ['604800000', '7', '8'],
    )
    assert.deepEqual(await replace(client, resource.topic, 't', {}, { version }), [ErrorCode.NONE, null])
    assert.equal(await configOf(client, resource.topic, 't', 'segment.ms'), '604800000')
  })

test("it replaces a broker's changes, and those of groups and subscriptions", async t => {
  const broker = await testBroker(t)
  const client = broker.connect()
  await set(client, resource.broker, '1', { 'message.max.bytes': '7', 'log.retention.ms': '8' })
  await replace(client, resource.broker, '1', { 'log.retention.ms': '9' })
  assert.equal(await configOf(client, resource.broker, '1', 'message.max.bytes'), '1048588')
  assert.equal(await configOf(client, resource.broker, '1', 'log.retention.ms'), '9')
  await set(client, resource.metrics, 'm', { metrics: 'a', 'interval.ms': '100' })
  await replace(client, resource.metrics, 'm', { 'interval.ms': '200' })
  assert.equal(await configOf(client, resource.metrics, 'm', 'metrics'), '')
  await set(client, resource.group, 'g', { 'consumer.session.timeout.ms': '50000' })
  await replace(client, resource.group, 'g', {})
  assert.equal(await configOf(client, resource.group, 'g', 'consumer.session.timeout.ms'), '45000')
})

test('what is refused changes nothing', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t', 1, { 'retention.ms': '5' })
  const client = broker.connect()
  const refused = async (configs: Record<string, string | null>, type: number = resource.topic, name = 't') =>
    await replace(client, type, name, configs)
  assert.deepEqual(await refused({ 'segment.ms': '7', 'retention.ms': null }), [
    ErrorCode.INVALID_REQUEST,
    'Null value not supported for : retention.ms',
  ])
  assert.equal((await refused({ 'segment.ms': '7', 'no.such': '1' }))[0], ErrorCode.INVALID_CONFIG)
  assert.equal(
    (await refused({ 'retention.ms': '1' }, resource.topic, 'nope'))[0],
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  )
  assert.equal((await refused({ 'num.partitions': '1' }, resource.broker, '1'))[0], ErrorCode.INVALID_REQUEST)
  assert.deepEqual(await refused({ root: 'ERROR' }, resource.logger, '1'), [
    ErrorCode.INVALID_REQUEST,
    'Unknown resource type 8',
  ])
  assert.equal(await configOf(client, resource.topic, 't', 'retention.ms'), '5')
  assert.equal(await configOf(client, resource.topic, 't', 'segment.ms'), '604800000')
})
