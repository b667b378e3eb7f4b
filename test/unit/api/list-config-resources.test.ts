import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { listConfigResources } from '../../../src/protocol/schema/list-config-resources.ts'
import { resource, set } from '../../support/config-calls.ts'
import { testBroker } from '../../support/test-broker.ts'

test('ListConfigResources tells what has configs, of the kinds that are asked for', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  await set(client, resource.metrics, 'm', { metrics: 'a' })
  await set(client, resource.group, 'g', { 'consumer.session.timeout.ms': '50000' })
  const list = async (resourceTypes: number[]) => {
    const answer = await client.call(listConfigResources, 1, { resourceTypes })
    return [answer.errorCode, answer.configResources.map(each => [each.resourceType, each.resourceName])]
  }
  const all = [
    [resource.group, 'g'],
    [resource.metrics, 'm'],
    [resource.logger, '1'],
    [resource.broker, '1'],
    [resource.topic, 't'],
  ]
  assert.deepEqual(await list([]), [ErrorCode.NONE, all])
  for (const each of all) assert.deepEqual(await list([each[0] as number]), [ErrorCode.NONE, [each]])
  for (const types of [[99], [resource.topic, 99], [0], [1]])
    assert.deepEqual(await list(types), [ErrorCode.UNSUPPORTED_VERSION, []])
})

test('ListConfigResources v0 tells client metrics subscriptions', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  assert.deepEqual((await client.call(listConfigResources, 0, {})).configResources, [])
  await set(client, resource.metrics, 'b', { metrics: 'a' })
  await set(client, resource.metrics, 'a', { metrics: 'a' })
  const { errorCode, configResources } = await client.call(listConfigResources, 0, {})
  assert.deepEqual([errorCode, configResources.map(each => each.resourceName)], [ErrorCode.NONE, ['a', 'b']])
})
