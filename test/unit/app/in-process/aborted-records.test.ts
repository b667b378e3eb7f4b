import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AbortedRecords } from '../../../../src/app/in-process/aborted-records.ts'
import { BatchAttributes } from '../../../../src/records/batch-header.ts'
import { buildBatch } from '../../../../src/records/record-batch.ts'

const { transactional, control } = BatchAttributes

function batch(baseOffset: number, producerId: bigint, attributes: number): Uint8Array {
  const records = [{ key: Buffer.from('k'), value: null }]
  const bytes = buildBatch({ timestampMs: 0, records, producerId, producerEpoch: 0, baseSequence: 0, attributes })
  new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset))
  return bytes
}

it('hides the batches of an aborted transaction until its marker, and every marker', () => {
  const batches = [
    { bytes: batch(0, 1n, transactional), hidden: false }, // Of an earlier transaction, which was committed.
    { bytes: batch(1, 1n, transactional | control), hidden: true },
    { bytes: batch(2, 1n, transactional), hidden: true },
    { bytes: batch(3, 2n, transactional), hidden: false },
    { bytes: batch(4, 1n, 0), hidden: false }, // Idempotent only.
    { bytes: batch(5, 1n, transactional), hidden: true },
    { bytes: batch(6, 1n, transactional | control), hidden: true },
    { bytes: batch(7, 1n, transactional), hidden: false },
  ]
  const aborted = new AbortedRecords([{ producerId: 1n, firstOffset: 2 }])
  for (const { bytes, hidden } of batches)
    assert.equal(aborted.hides(bytes, 0), hidden, `offset ${new DataView(bytes.buffer).getBigInt64(0)}`)
})
