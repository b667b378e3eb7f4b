import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeInSlices,
  decodeProducerSnapshot,
  ProducerSnapshot,
  producersPerSlice,
  snapshotOffset,
} from '../../../src/log/producer-snapshot.ts'
import { ProducerStates } from '../../../src/log/producer-state.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import { encodedSnapshot } from '../../support/encoded-snapshot.ts'

/** Written out by hand from the format: producer 7, epoch 1, sequences 10 to 12 at offsets 1000 to 1002. */
const body = [
  '00000001', // one producer
  '0000000000000007', // its id
  '0001', // its epoch
  '0000000c', // last sequence
  '00000000000003ea', // last offset
  '00000002', // offset delta
  '0000018bcfe56800', // timestamp
  'ffffffff', // coordinator epoch
  'ffffffffffffffff', // no open transaction
].join('')

function golden(): Uint8Array {
  const bytes = Buffer.from(`000100000000${body}`, 'hex')
  bytes.writeUInt32BE(crc32c(Buffer.from(body, 'hex')), 2)
  return bytes
}

function producers(): ProducerStates {
  const states = new ProducerStates()
  const batch = { producerId: 7n, producerEpoch: 1, baseSequence: 10, recordCount: 3 }
  states.apply(batch, 1_000, 1_700_000_000_000)
  return states
}

test('a snapshot has the bytes that Kafka would write', async () => {
  assert.deepEqual(Buffer.from(await encodedSnapshot(producers())), Buffer.from(golden()))
})

test('a snapshot gives back the producers: the last batch is known again, the next is expected', () => {
  const states = decodeProducerSnapshot(golden())!
  assert.deepEqual([...states], [...producers()])
})

test('a last batch that wrapped around comes back with its first sequence', async () => {
  const states = new ProducerStates()
  const batch = { producerId: 1n, producerEpoch: 0, baseSequence: 0x7ffffffe, recordCount: 4 }
  states.apply(batch, 0, 5)
  assert.equal(decodeProducerSnapshot(await encodedSnapshot(states))!.check(batch).kind, 'duplicate')
})

test('no producers are a snapshot too', async () => {
  assert.equal(decodeProducerSnapshot(await encodedSnapshot(new ProducerStates()))!.size, 0)
})

test('any damage is found: each byte changed, each length but the right one', () => {
  const whole = golden()
  for (let at = 0; at < whole.length; at++) {
    const damaged = whole.slice()
    damaged[at]! ^= 0x10
    assert.equal(decodeProducerSnapshot(damaged), undefined, `byte ${at}`)
    assert.equal(decodeProducerSnapshot(whole.subarray(0, at)), undefined, `${at} bytes`)
  }
  assert.equal(decodeProducerSnapshot(Buffer.concat([whole, new Uint8Array(1)])), undefined)
})

test('names of snapshots hold 20 digits', () => {
  assert.equal(snapshotOffset('00000000000000001234.snapshot'), 1_234)
  for (const name of ['1234.snapshot', '00000000000000001234.log', '00000000000000001234.snapshot.tmp'])
    assert.equal(snapshotOffset(name), undefined)
})

test('many producers are encoded in slices, as they were when the snapshot was begun', async () => {
  const states = new ProducerStates()
  const batch = (id: number, baseSequence: number) => ({
    producerId: BigInt(id),
    producerEpoch: 0,
    baseSequence,
    recordCount: 1,
  })
  const count = 10_000
  for (let id = 0; id < count; id++) states.apply(batch(id, 0), id, id === 7 || id === count - 3 ? 0 : 5)
  const asBegun = decodeProducerSnapshot(await encodedSnapshot(states))!
  const snapshot = new ProducerSnapshot(states)
  let slices = 0
  let made = count
  const bytes = await snapshot.encoded(() => {
    slices++
    states.apply(batch(made++, 0), made, 6) // Nobody knew it then.
    for (const id of [slices, count / 2 + slices, count - slices]) states.apply(batch(id, 1), made, 6)
    if (slices === 2) for (const _ of states.expire(10, 6));
    return Promise.resolve()
  })
  assert.ok(slices >= 0.9 * (count / producersPerSlice), `${slices} slices`)
  assert.equal(states.size, made, 'two were forgotten, and came again')
  const known = decodeProducerSnapshot(bytes)!
  assert.deepEqual(new Map(known), new Map(asBegun))
  // It is looked at no more.
  states.apply(batch(3, 2), made, 7)
  assert.deepEqual(Buffer.from(await snapshot.encoded(() => assert.fail())), Buffer.from(bytes))
})

test('many producers are decoded in slices, their open transactions in the order in which these began', async () => {
  const states = new ProducerStates()
  const count = 10_000
  for (let id = count; id > 0; id--)
    states.apply({ producerId: BigInt(id), producerEpoch: 0, baseSequence: -1, recordCount: 1 }, count - id, 5)
  // Among the producers these are in another order.
  const began = Array.from({ length: count }, (_, at) => BigInt(((at * 7_919) % count) + 1))
  for (const [at, producerId] of began.entries())
    states.apply({ producerId, producerEpoch: 0, baseSequence: -1, recordCount: 1, transactional: true }, count + at, 5)
  const bytes = await encodedSnapshot(states)
  let pauses = 0
  const decoded = (await decodeInSlices(bytes, async () => void pauses++))!
  assert.equal(decoded.size, count)
  assert.deepEqual([...decoded.transactions.producers()], began)
  const slices = Math.ceil(count / producersPerSlice)
  assert.ok(pauses >= 2 * (slices - 1), `${pauses} pauses: entries, then transactions`)
  assert.deepEqual(new Map(await decodeInSlices(bytes, async () => {})), new Map(decodeProducerSnapshot(bytes)!))
  bytes[bytes.length - 1]! ^= 1
  assert.equal(await decodeInSlices(bytes, async () => {}), undefined, 'damage of the last slice')
})

test('a few producers are decoded at once', async () => {
  const states = await decodeInSlices(golden(), () => assert.fail('nothing to wait for'))
  assert.equal(states!.size, 1)
})
