import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchWriter, TurnRecords } from '../../../../src/coordinator/runtime/batch-writer.ts'
import { RecordCodec } from '../../../../src/coordinator/runtime/record-codec.ts'
import { consumerOffsetsRecords } from '../../../../src/protocol/all-records.ts'
import { readRecords } from '../../../../src/records/record-batch.ts'
import { commit } from './support.ts'

class CountingCodec extends RecordCodec {
  encoded = 0

  override encodeKey(...of: Parameters<RecordCodec['encodeKey']>): void {
    this.encoded++
    super.encodeKey(...of)
  }
}

function encode(write: (records: TurnRecords) => void): { keys: string[]; metadata: string[]; encoded: number } {
  const codec = new CountingCodec(consumerOffsetsRecords)
  const records = new TurnRecords(codec)
  write(records)
  const batch = new BatchWriter()
  batch.add(records)
  const found = [...readRecords(batch.seal(7), 0)].map(({ key, value }) => {
    const bytes = Uint8Array.from([...key!, ...(value ?? [])])
    const end = value === null ? -1 : bytes.length
    const read = codec.decode(bytes, 0, key!.length, key!.length, end)
    assert.ok(typeof read !== 'number')
    return read as unknown as { key: { topic: string }; value: { metadata: string } | null }
  })
  const keys = found.map(({ key }) => key.topic)
  return { keys, metadata: found.map(({ value }) => value?.metadata ?? 'none'), encoded: codec.encoded }
}

test('keys and values of any length are there to their last byte', () => {
  for (const length of [1, 100, 140, 160, 180, 1_000]) {
    const written = commit('t'.repeat(length), 1, 'm'.repeat(length))
    const last = {
      ...written,
      key: { ...written.key, partition: -1 },
      value: { ...written.value, commitTimestamp: -1 },
    }
    const codec = new RecordCodec(consumerOffsetsRecords)
    const records = new TurnRecords(codec)
    records.add(last)
    const batch = new BatchWriter()
    batch.add(records)
    const [read] = [...readRecords(batch.seal(7), 0)]
    const [key, value] = [read!.key!, read!.value!]
    assert.deepEqual(
      codec.decode(Uint8Array.from([...key, ...value]), 0, key.length, key.length, key.length + value.length),
      last,
    )
  }
})

test('a record that was measured right before it is added is encoded once', () => {
  const one = commit('one', 1, 'm')
  const bytes: number[] = []
  const { keys, metadata, encoded } = encode(records => {
    bytes.push(records.batchBytesOf(one))
    records.add(one)
  })
  assert.deepEqual({ keys, metadata, encoded }, { keys: ['one'], metadata: ['m'], encoded: 1 })
  assert.ok(bytes[0]! > 61, 'a batch and what is in it')
})

test('what was measured and not added, or added twice, leaves no trace', () => {
  const [one, two, gone] = [commit('one', 1, 'a'.repeat(500)), commit('two', 2, 'm'), commit('gone', null)]
  const { keys, metadata } = encode(records => {
    records.batchBytesOf(one)
    records.batchBytesOf(two)
    records.add(one)
    records.batchBytesOf(gone)
    records.add(two)
    records.add(two)
    records.batchBytesOf(one)
    records.batchBytesOf(gone)
    records.add(gone)
    records.batchBytesOf(one)
  })
  assert.deepEqual(keys, ['one', 'two', 'two', 'gone'])
  assert.deepEqual(metadata, ['a'.repeat(500), 'm', 'm', 'none'])
})
