import assert from 'node:assert/strict'
import { test } from 'node:test'
import { offset } from '../../../src/base/ids.ts'
import {
  formatEpochs,
  formatPartitionMetadata,
  offsetLine,
  offsetsHeader,
  parseEpochs,
  parseOffsets,
  parsePartitionMetadata,
} from '../../../src/log/checkpoint-files.ts'
import { LeaderEpochs } from '../../../src/log/leader-epochs.ts'
import { OffsetState } from '../../../src/log/offset-state.ts'

test("offset checkpoints are Kafka's text, both ways", () => {
  const entries = [
    { topic: 'a', partition: 0, offset: 17 },
    { topic: 'b-c', partition: 12, offset: 0 },
  ]
  assert.equal(offsetsHeader(2) + entries.map(offsetLine).join(''), '0\n2\na 0 17\nb-c 12 0\n')
  assert.deepEqual(parseOffsets('0\n2\na 0 17\nb-c 12 0\n'), entries)
  assert.deepEqual(parseOffsets(offsetsHeader(0)), [])
})

test("leader epoch checkpoints are Kafka's text, both ways", () => {
  const entries = [
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 99 },
  ]
  assert.equal(formatEpochs(entries), '0\n2\n0 0\n3 99\n')
  assert.deepEqual(parseEpochs('0\n2\n0 0\n3 99\n'), entries)
})

test('checkpoints that are not whole are not believed', () => {
  const damaged = [
    '',
    '1\n0\n',
    '0\n2\na 0 17\n',
    '0\n1\na 0 17\nb 0 1\n',
    '0\n1\na 0\n',
    '0\n1\na 0 -5\n',
    '0\nx\n',
    '0\n1\na x 1\n',
  ]
  for (const text of damaged) assert.equal(parseOffsets(text), undefined, JSON.stringify(text))
  assert.equal(parseEpochs('0\n1\n0 0 0\n'), undefined)
})

test('partition.metadata names the topic by id', () => {
  const id = 'abcdefghijklmnopqrst-_'
  assert.equal(formatPartitionMetadata(id), `version: 0\ntopic_id: ${id}\n`)
  assert.equal(parsePartitionMetadata(`version: 0\ntopic_id: ${id}`), id)
  for (const text of ['', `version: 1\ntopic_id: ${id}\n`, 'version: 0\ntopic_id: short\n'])
    assert.equal(parsePartitionMetadata(text), undefined)
})

test('leader epochs only grow, and tell who wrote an offset', () => {
  const epochs = new LeaderEpochs()
  assert.deepEqual([epochs.latest, epochs.epochAt(0)], [-1, -1])
  assert.equal(epochs.begin(2, 10), true)
  assert.equal(epochs.begin(2, 15), false)
  assert.equal(epochs.begin(5, 20), true)
  assert.deepEqual(
    [9, 10, 19, 20, 1_000].map(at => epochs.epochAt(at)),
    [-1, 2, 2, 5, 5],
  )
  assert.throws(() => epochs.begin(4, 30), /only grow/)
  assert.throws(() => epochs.begin(6, 19), /only grow/)
  epochs.truncate(20)
  assert.equal(epochs.latest, 2)
})

test('the offsets of a partition keep their order, and the high watermark never goes back', () => {
  const state = new OffsetState(offset(5), offset(7), offset(9))
  assert.equal(state.committed(offset(6), offset(6)), false)
  assert.equal(state.highWatermark, 7)
  assert.equal(state.committed(offset(9), offset(8)), true)
  assert.equal(state.committed(offset(9), offset(8)), false)
  assert.equal(state.committed(offset(9), offset(9)), true)
  state.appended(offset(12))
  assert.throws(() => state.appended(offset(11)), /forward/)
  const fresh = () => new OffsetState(offset(5), offset(7), offset(12))
  assert.throws(() => fresh().committed(offset(13), offset(13)), /log end/)
  assert.throws(() => fresh().committed(offset(12), offset(4)), /log start/)
  assert.throws(() => new OffsetState(offset(8), offset(7), offset(9)), /log start/)
})
