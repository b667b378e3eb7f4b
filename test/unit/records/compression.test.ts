import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Zstd } from '@hpcc-js/wasm-zstd'
import { compressFrame } from 'lz4-napi'
import { compressSync } from 'snappy'
import { Codec } from '../../../src/records/batch-header.ts'
import { decompress, decompressNow, maxDecompressedBytes, unfoldedBound } from '../../../src/records/compression.ts'

const text = Buffer.from('to be, or not to be: '.repeat(5_000))
const corrupt = { code: 'CORRUPT_COMPRESSION' }
const tooLarge = { code: 'COMPRESSION_TOO_LARGE' }

const whole = (codec: Codec, name: string, fold: (bytes: Buffer) => Promise<Uint8Array> | Uint8Array) =>
  test(`${name} unfolds to what was folded`, async () => {
    const folded = await fold(text)
    assert.deepEqual(Buffer.from(await decompress(codec, folded)), text)
    assert.ok(unfoldedBound(codec, folded) >= text.length)
    assert.equal((await decompress(codec, await fold(Buffer.alloc(0)))).length, 0)
    const now = decompressNow(codec, folded)
    if (now !== undefined) assert.deepEqual(Buffer.from(now), text)
    else assert.equal(codec, Codec.zstd, 'only zstd needs a thread of its own, where Node lacks it')
  })

whole(Codec.none, 'no codec', bytes => bytes)
whole(Codec.gzip, 'gzip', gzipSync)
whole(Codec.snappy, 'a raw snappy block', bytes => compressSync(bytes))
whole(Codec.snappy, "Java's snappy stream", xerial)
whole(Codec.lz4, 'an lz4 frame', bytes => compressFrame(bytes))
whole(Codec.zstd, 'a zstd frame', async bytes => (await Zstd.load()).compress(bytes))
whole(Codec.zstd, 'a zstd frame without its content size, as streaming writers make', streamed)
whole(Codec.zstd, 'zstd frames one behind the other', async bytes => {
  const zstd = await Zstd.load()
  return Buffer.concat([zstd.compress(bytes.subarray(0, 1_000)), await streamed(bytes.subarray(1_000))])
})

for (const [name, codec] of Object.entries(Codec).filter(([name]) => name !== 'none')) {
  test(`bytes that are no ${name} are refused`, async () => {
    for (const bytes of [Buffer.from('this is plain text, and a little longer'), Buffer.alloc(64, 0xff)])
      await assert.rejects(decompress(codec, bytes), corrupt)
  })
}

test('what was cut short is refused', async () => {
  const zstd = await Zstd.load()
  const folded: [Codec, Uint8Array][] = [
    [Codec.gzip, gzipSync(text)],
    [Codec.snappy, compressSync(text)],
    [Codec.snappy, xerial(text)],
    [Codec.lz4, await compressFrame(text)],
    [Codec.zstd, zstd.compress(text)],
    [Codec.zstd, await streamed(text)],
  ]
  for (const [codec, bytes] of folded)
    await assert.rejects(decompress(codec, bytes.subarray(0, bytes.length - 5)), corrupt, `codec ${codec}`)
})

test('a snappy block that claims more than a batch may hold is refused before memory is taken', async () => {
  const claim = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0])
  await assert.rejects(decompress(Codec.snappy, claim), tooLarge)
})

test('a zstd frame that claims more than a batch may hold is refused before memory is taken', async () => {
  // Magic, a single-segment descriptor with an 8-byte content size, then the size.
  const bomb = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  await assert.rejects(decompress(Codec.zstd, bomb), corrupt)
  // The same whole: one empty last block.
  await assert.rejects(decompress(Codec.zstd, Buffer.concat([bomb.subarray(0, 13), Buffer.from([1, 0, 0])])), tooLarge)
})

test('a gzip member that claims another length than it has is refused', async () => {
  const folded = gzipSync(text)
  for (const length of [text.length - 1, text.length + 1, 0, 0xffffffff]) {
    const lie = Buffer.from(folded)
    lie.writeUInt32LE(length, lie.length - 4)
    await assert.rejects(decompress(Codec.gzip, lie), corrupt)
  }
})

test('many zstd batches at once are each answered with their own bytes', async () => {
  const zstd = await Zstd.load()
  const texts = Array.from({ length: 20 }, (_, i) => Buffer.from(`${i} `.repeat(1_000 * i + 1)))
  const unfolded = await Promise.all(
    texts.map((each, i) =>
      i % 5 === 4
        ? decompress(Codec.zstd, damaged(zstd.compress(each))).catch(error => error.code)
        : decompress(Codec.zstd, zstd.compress(each)),
    ),
  )
  for (const [i, each] of texts.entries())
    if (i % 5 === 4) assert.equal(unfolded[i], 'CORRUPT_COMPRESSION')
    else assert.deepEqual(Buffer.from(unfolded[i]!), each)
})

test('what unfolds a thousandfold is still data', async () => {
  const zeros = Buffer.alloc(20 << 20)
  assert.equal((await decompress(Codec.zstd, await streamed(zeros))).length, zeros.length)
  assert.equal((await decompress(Codec.lz4, await compressFrame(zeros))).length, zeros.length)
})

test('an lz4 frame whose blocks may unfold to more than a batch may hold is refused unread', async () => {
  const block = Buffer.alloc(4 + (20 << 10))
  block.writeUInt32LE(20 << 10)
  const frame = Buffer.concat([
    Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0]),
    ...Array(65).fill(block),
    Buffer.alloc(4),
  ])
  await assert.rejects(decompress(Codec.lz4, frame), tooLarge)
})

test('a bomb is refused', async () => {
  const bomb = Buffer.alloc(maxDecompressedBytes + 1)
  await assert.rejects(decompress(Codec.gzip, gzipSync(bomb, { level: 1 })), tooLarge)
  // 1,025 blocks of 128 KB of zeros in a frame without a content size.
  const block = (last: number) => [
    (2 | last | ((128 << 10) << 3)) & 0xff,
    (((128 << 10) << 3) >> 8) & 0xff,
    ((128 << 10) << 3) >> 16,
    0,
  ]
  const blocks = Array.from({ length: 1_025 }, (_, i) => block(i === 1_024 ? 1 : 0)).flat()
  await assert.rejects(decompress(Codec.zstd, Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, ...blocks])), tooLarge)
})

/** Without a checksum, so that only the decoder can tell: the last block is of a kind that does not exist. */
function damaged(frame: Uint8Array): Uint8Array {
  const bytes = Buffer.from(frame)
  bytes.fill(0xff, bytes.length - 12)
  return bytes
}

function xerial(bytes: Uint8Array): Buffer {
  const header = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  const blocks: Buffer[] = [header]
  for (let at = 0; at < bytes.length; at += 32_768) {
    const block = compressSync(Buffer.from(bytes.subarray(at, at + 32_768)))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    blocks.push(length, block)
  }
  return Buffer.concat(blocks)
}

async function streamed(bytes: Uint8Array): Promise<Buffer> {
  const zstd = await Zstd.load()
  zstd.reset()
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += 10_000)
    parts.push(zstd.compressChunk(bytes.subarray(at, at + 10_000)).slice())
  parts.push(zstd.compressEnd().slice())
  return Buffer.concat(parts)
}
