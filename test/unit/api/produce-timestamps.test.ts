import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { codecs, compressed } from '../../support/compressed-batch.ts'
import { resource, set } from '../../support/config-calls.ts'
import { batchOf, produceOne, testBroker } from '../../support/test-broker.ts'

const minuteMs = 60_000
const yearMs = 365 * 24 * 60 * minuteMs
const { NONE, INVALID_TIMESTAMP } = ErrorCode

test('bounds of timestamps hold from the moment they are changed, for plain and compressed batches', async t => {
  const broker = await testBroker(t)
  await broker.createTopic('t')
  const client = broker.connect()
  const nowMs = broker.world.clock.wallMs()
  const tried = async (timestampMs: number): Promise<ErrorCode[]> => {
    const batch = batchOf(['a'], { timestampMs })
    const codes: ErrorCode[] = []
    for (const bytes of [batch, ...codecs.map(codec => compressed(batch, codec))])
      codes.push((await broker.during(produceOne(client, 't', bytes))).errorCode)
    return [...new Set(codes)]
  }
  // Kafka's defaults: any past, an hour of future. Nanoseconds are the usual way to be from the far future.
  assert.deepEqual(await tried(nowMs - yearMs), [NONE])
  assert.deepEqual(await tried(nowMs + 59 * minuteMs), [NONE])
  assert.deepEqual(await tried(nowMs + yearMs), [INVALID_TIMESTAMP])
  assert.deepEqual(await tried(nowMs * 1_000_000), [INVALID_TIMESTAMP])

  const bounds = (before: number | string, after: number | string) =>
    set(client, resource.topic, 't', {
      'message.timestamp.before.max.ms': String(before),
      'message.timestamp.after.max.ms': String(after),
    })
  await broker.during(bounds(minuteMs, 0))
  assert.deepEqual(await tried(nowMs - 2 * minuteMs), [INVALID_TIMESTAMP])
  assert.deepEqual(await tried(nowMs - minuteMs), [NONE])
  assert.deepEqual(await tried(nowMs + 1), [INVALID_TIMESTAMP])
  await broker.world.time.advance(minuteMs)
  assert.deepEqual(await tried(nowMs + 1), [NONE])
  assert.deepEqual(await tried(nowMs - minuteMs), [INVALID_TIMESTAMP])
  // Records without a timestamp are measured against no bounds.
  assert.deepEqual(await tried(-1), [NONE])

  await broker.during(bounds('9223372036854775807', '9223372036854775807'))
  assert.deepEqual(await tried(nowMs + yearMs), [NONE])
  // With append time nothing that a client says of time counts.
  await broker.during(bounds(0, 0))
  await broker.during(set(client, resource.topic, 't', { 'message.timestamp.type': 'LogAppendTime' }))
  assert.deepEqual(await tried(nowMs - yearMs), [NONE])
  assert.deepEqual(await tried(nowMs + yearMs), [NONE])
})
