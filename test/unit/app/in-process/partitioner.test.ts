import assert from 'node:assert/strict'
import { it } from 'node:test'
import { murmur2, partitionOfKey } from '../../../../src/app/in-process/partitioner.ts'

it("hashes as Kafka's clients do", () => {
  // From the tests of Kafka's own clients.
  const known: readonly [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of known) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

it('chooses a partition that is there, whatever the sign of the hash', () => {
  assert.equal(partitionOfKey(Buffer.from('21'), 1_000), (-973932308 & 0x7fff_ffff) % 1_000)
  assert.equal(partitionOfKey(Buffer.from('abc'), 7), 479470107 % 7)
})
