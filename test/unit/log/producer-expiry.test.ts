import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expireProducers } from '../../../src/log/producer-expiry.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import { Machine } from '../../support/machine.ts'
import { batchOf } from '../../support/test-broker.ts'
import { appendFrame, startLogs } from './support.ts'

const batch = (producerId: bigint) => ({ producerId, producerEpoch: 0, baseSequence: 0, recordCount: 1 })

test('very many producers, or logs, expire in several turns; who writes between two of them stays', async () => {
  const crowded = new ProducerStates()
  for (let id = 0n; id < 10_000n; id++) crowded.apply(batch(id), Number(id), 0)
  const logs = [{ log: { producers: crowded } }]
  for (let i = 0; i < 10_000; i++) logs.push({ log: { producers: new ProducerStates() } })
  const left: number[] = []
  await expireProducers(logs, 1_000, 1_000, async () => {
    left.push(crowded.size)
    if (left.length === 1) crowded.apply({ ...batch(9_000n), baseSequence: 1 }, 10_000, 1_000)
  })
  assert.ok(left.length >= 4 && left.length <= 6, String(left))
  assert.ok(left[0]! > 0 && left[0]! < 10_000 && left[1]! < left[0]!, String(left))
  assert.equal(crowded.size, 1)
  assert.equal(crowded.epochOf(9_000n), 0)
})

test('row 13: each log of a broker forgets who was silent for producer.id.expiration.ms', async () => {
  const { world, logs, openLog } = await startLogs(new Machine())
  const log = await openLog()
  appendFrame(world, log, batchOf(['a'], { producerId: 7n, producerEpoch: 0, baseSequence: 0 }))
  await world.time.advance(86_000_000)
  assert.equal(log.producers.size, 1)
  await world.time.advance(2_000_000)
  assert.equal(log.producers.size, 0)
  const closed = logs.close()
  await world.time.settle()
  await closed
})
