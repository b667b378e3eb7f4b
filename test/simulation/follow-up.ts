import assert from 'node:assert/strict'
import { ErrorCode } from '../../src/protocol/index.ts'
import type { Client } from './client.ts'
import { type LogLife, latest, type SentBatch, type TopicLife } from './model.ts'

/** What clients do once the broker is back: send again what was not answered, and go on. */
export async function followUp(client: Client): Promise<void> {
  for (const name of client.model.topics.keys()) {
    const life = latest(client.model, name)
    if (life === undefined) continue
    for (const [partition, log] of life.logs.entries()) {
      await sendAgain(client, life, log)
      log.unsure = false
      assert.ok(await client.produce(name, partition, { records: 1 }), `${name}-${partition} takes nothing more`)
    }
  }
  const [name] = [...client.model.topics.keys()].filter(each => latest(client.model, each)?.presence === 'there')
  if (name !== undefined) {
    // The group may still be loaded.
    const committed = await client.committed(latest(client.model, name)!)
    assert.ok(committed === undefined || (await client.commit(name)), `the group of ${name} commits nothing more`)
  }
  const producerId = await client.initProducer()
  assert.ok(producerId !== undefined, 'no producer id is given')
  await remake(client)
}

/** A producer's batches that are there are duplicates, with their offsets; those that are not there are taken. */
async function sendAgain(client: Client, life: TopicLife, log: LogLife): Promise<void> {
  const newest = new Map<bigint, SentBatch>()
  for (const batch of log.batches)
    if (batch.producerId !== undefined && batch.offset !== undefined) newest.set(batch.producerId, batch)
  for (const batch of newest.values()) {
    const where = `batch ${batch.number} of ${batch.topic}-${batch.partition}, sent again`
    const { errorCode, baseOffset } = await client.produceBytes(batch, -1)
    assert.equal(errorCode, ErrorCode.NONE, where)
    assert.equal(baseOffset, batch.offset, where)
  }
  for (const batch of log.batches)
    if (batch.producerId !== undefined && batch.offset === undefined)
      assert.ok(await client.send(life, log, batch, -1), `batch ${batch.number}, sent again, is refused`)
}

/** Names that are free are used again, for a topic that begins empty. */
async function remake(client: Client): Promise<void> {
  for (const name of [...client.model.topics.keys()]) {
    if (latest(client.model, name) !== undefined) continue
    assert.ok(await client.createTopic(name, 1), `${name} cannot be made again`)
    assert.ok(await client.produce(name, 0, { records: 1 }))
    return
  }
}
