import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Unfolder, type Unfolding } from '../../../src/api/unfolder.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { Codec } from '../../../src/records/batch-header.ts'
import { codecs, fold } from '../../support/compressed-batch.ts'

const text = Buffer.from('a line that is one of many. '.repeat(5_000))
const bounded = { timeout: 30_000 }

/** Says that it unfolds to `megabytes`, and is nothing. */
function claim(megabytes: number): Uint8Array {
  const bytes = []
  for (let rest = megabytes << 20; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest, 0, 0])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
const begin = (unfolder: Unfolder, codec: Codec, bytes: Uint8Array): Unfolding => unfolder.unfold(codec, () => bytes)

test('what is unfolded is there once it is done, and what is wrong says why', bounded, async () => {
  const unfolder = new Unfolder()
  for (const codec of codecs) {
    const sound = begin(unfolder, codec, fold(codec, text))
    await sound.done
    assert.deepEqual(Buffer.from(sound.result as Uint8Array), text)
    sound.release()
    const wrong = begin(unfolder, codec, Buffer.from('no such stream'))
    await wrong.done
    assert.equal((wrong.result as { code: ErrorCode }).code, ErrorCode.INVALID_RECORD)
    wrong.release()
  }
})

test('what would take more memory than there is waits until others have given theirs back', bounded, async () => {
  const unfolder = new Unfolder()
  const read: number[] = []
  const all = [1, 2, 3, 4].map(n =>
    unfolder.unfold(Codec.snappy, () => {
      read.push(n)
      return claim(n === 4 ? 1 : 100)
    }),
  )
  await Promise.all([all[0]!.done, all[1]!.done])
  // Each is asked for its bytes to learn its size, then again when its turn has come.
  assert.deepEqual(read, [1, 1, 2, 2, 3, 4], 'the third would be too much, and the small one does not overtake it')
  all[0]!.release()
  await all[3]!.done
  assert.deepEqual(read.slice(6), [3, 4])
  for (const unfolding of all.slice(1)) unfolding.release()
  const next = begin(unfolder, Codec.snappy, claim(128))
  await next.done
  next.release()
})

test('one that is released while it waits is not begun, and leaves its place to the next', bounded, async () => {
  const unfolder = new Unfolder()
  const [first, second] = [begin(unfolder, Codec.snappy, claim(128)), begin(unfolder, Codec.snappy, claim(128))]
  const gone = unfolder.unfold(Codec.snappy, () => claim(128))
  const last = begin(unfolder, Codec.gzip, fold(Codec.gzip, text))
  gone.release()
  await gone.done
  second.release() // While it runs: its memory is given back when it has ended.
  await last.done
  assert.deepEqual(Buffer.from(last.result as Uint8Array), text)
  assert.equal(gone.result, undefined)
  await first.done
})

test('only what is small is unfolded at once', bounded, async () => {
  const unfolder = new Unfolder()
  const warm = begin(unfolder, Codec.gzip, fold(Codec.gzip, text))
  await warm.done
  assert.equal(unfolder.unfoldNow(Codec.gzip, fold(Codec.gzip, text)), undefined)
  const small = text.subarray(0, 1_000)
  assert.deepEqual(unfolder.unfoldNow(Codec.gzip, fold(Codec.gzip, small)), small)
  const tooLarge = unfolder.unfoldNow(Codec.snappy, claim(129))
  assert.equal((tooLarge as { code: ErrorCode }).code, ErrorCode.MESSAGE_TOO_LARGE)
})
