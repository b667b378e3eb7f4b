import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Codec } from '../../../src/records/batch-header.ts'
import { decompress } from '../../../src/records/compression.ts'
import { loadCodec } from '../../../src/records/folding.ts'
import { codecName, codecs, fold as foldAsClient } from '../../support/compressed-batch.ts'

const text = (bytes: number) =>
  Buffer.from('a record of a compacted topic, again and again. '.repeat(bytes / 48 + 1)).subarray(0, bytes)
const samples = [text(1), text(100), text(32 << 10), text((32 << 10) + 1), text(1_000_000), randomBytes(70_000)]

for (const codec of codecs) {
  test(`${codecName(codec)}: what is folded unfolds to the same, here and as a client's batch`, async () => {
    const { fold, unfold } = await loadCodec(codec)
    for (const sample of samples) {
      const folded = fold(sample)
      assert.ok(Buffer.from(unfold(folded)).equals(sample), `${sample.length} bytes`)
      assert.ok(Buffer.from(await decompress(codec, folded)).equals(sample), `${sample.length} bytes, as from a client`)
      assert.ok(Buffer.from(unfold(foldAsClient(codec, sample))).equals(sample), `${sample.length} bytes of a client`)
    }
    const [, , , , large] = samples
    assert.ok(fold(large!).length < large!.length / 5, 'it folds')
  })

  test(`${codecName(codec)}: bytes that are something else are refused`, async () => {
    const { fold, unfold } = await loadCodec(codec)
    assert.throws(() => unfold(randomBytes(200)), { code: /CORRUPT_COMPRESSION|COMPRESSION_TOO_LARGE/ })
    const cut = fold(text(10_000))
    assert.throws(() => unfold(cut.subarray(0, cut.length - 9)), { code: 'CORRUPT_COMPRESSION' })
  })
}

test('snappy is framed as Java writes it, in blocks that its reader takes', async () => {
  const { fold } = await loadCodec(Codec.snappy)
  const folded = Buffer.from(fold(text(100_000)))
  assert.equal(folded.subarray(0, 16).toString('hex'), '82534e415050590000000001' + '00000001')
  let blocks = 0
  for (let at = 16; at < folded.length; at += 4 + folded.readInt32BE(at)) blocks++
  assert.equal(blocks, 4)
})

test('an lz4 frame has independent blocks, which is all that Java reads', async () => {
  const { fold } = await loadCodec(Codec.lz4)
  assert.equal(fold(text(100_000))[4]! & 0xe0, 0x60)
})

test('several zstd frames one behind the other are one batch', async () => {
  const { fold, unfold } = await loadCodec(Codec.zstd)
  const two = Buffer.concat([fold(text(1_000)), fold(text(5))])
  assert.equal(unfold(two).length, 1_005)
})
