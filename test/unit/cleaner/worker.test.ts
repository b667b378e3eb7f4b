import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MillraceError } from '../../../src/base/error.ts'
import type { FromThread } from '../../../src/cleaner/protocol.ts'
import { type CleaningBody, type Pass, serveCleaning } from '../../../src/cleaner/worker.ts'
import { type CleanedGroup, CleaningError, type CleanTask, type RecordCodecs } from '../../../src/native/cleaner.ts'
import { NativeError } from '../../../src/native/errors.ts'
import { Codec } from '../../../src/records/batch-header.ts'

const map = { cleanEndOffset: 9, keys: 3, bytesRead: 10, mapFill: 0.1 }
const groupOf = (base: number) => ({ bases: [base] }) as unknown as CleanedGroup
const stop = new Int32Array(new SharedArrayBuffer(4))
const clean = { kind: 'clean', task: { directory: '/data/t-0' } as CleanTask, stop }

/** A thread with a pass of a test's own. */
function serve(
  pass: Partial<Pass>,
  given: Partial<CleaningBody> = {},
  onMake: (codecs: RecordCodecs) => void = () => {},
) {
  const said: FromThread[] = []
  let closed = 0
  let left: CleanedGroup[] = []
  const { onMessage } = serveCleaning({
    post: message => void said.push(message),
    makePass(_task, codecs) {
      onMake(codecs)
      left = [groupOf(0), groupOf(5)]
      return { buildMap: () => map, nextGroup: () => left.shift(), close: () => void closed++, ...pass }
    },
    loadCodec: async () => ({ unfold: bytes => bytes, fold: bytes => bytes }),
    ...given,
  })
  return { said, onMessage, closed: () => closed, last: () => said[said.length - 1] }
}

test('a pass builds its map, waits at each group for its place, and says that it is done', async () => {
  const { said, onMessage, closed } = serve({})
  onMessage(clean)
  await turn()
  assert.deepEqual(said, [{ kind: 'group', group: groupOf(0) }])
  onMessage({ kind: 'replaced', go: true })
  await turn()
  assert.deepEqual(said[1], { kind: 'group', group: groupOf(5) })
  assert.equal(closed(), 0)
  onMessage({ kind: 'replaced', go: true })
  await turn()
  assert.deepEqual(said[2], { kind: 'done', map, mapMs: 0 })
  assert.equal(closed(), 1)
  onMessage(clean)
  await turn()
  assert.equal(said.length, 4, 'the next pass')
})

test('a group that has no place ends the pass', async () => {
  const { onMessage, closed, last } = serve({})
  onMessage(clean)
  await turn()
  onMessage({ kind: 'replaced', go: false })
  await turn()
  assert.deepEqual(last(), { kind: 'stopped' })
  assert.equal(closed(), 1)
})

test('the flag ends a pass within native code, which is no failure', async () => {
  const { onMessage, closed, last } = serve({
    buildMap() {
      throw new NativeError('MILLRACE_STOPPED', 'it was asked to end', 15, 0)
    },
  })
  onMessage(clean)
  await turn()
  assert.deepEqual(last(), { kind: 'stopped' })
  assert.equal(closed(), 1)
})

test('a failure is told with its code and the place of the damage', async () => {
  const failing = async (error: unknown) => {
    const { onMessage, last } = serve({
      nextGroup() {
        throw error
      },
    })
    onMessage(clean)
    await turn()
    return last()
  }
  const damage = new CleaningError(new NativeError('MILLRACE_CORRUPT', 'Cannot clean.', 9, 0), 40, 1234)
  assert.deepEqual(await failing(damage), {
    kind: 'failed',
    failure: { code: 'MILLRACE_CORRUPT', message: damage.message, segment: 40, position: 1234 },
  })
  assert.deepEqual(await failing(new MillraceError('CORRUPT_COMPRESSION', 'no gzip')), {
    kind: 'failed',
    failure: { code: 'CORRUPT_COMPRESSION', message: 'no gzip', segment: -1, position: -1 },
  })
  assert.deepEqual(await failing('what'), {
    kind: 'failed',
    failure: { code: 'Error', message: 'what', segment: -1, position: -1 },
  })
})

test('a pass that cannot be made is a failure too', async () => {
  const { onMessage, last } = serve({}, {}, () => {
    throw new Error('no addon')
  })
  onMessage(clean)
  await turn()
  assert.equal(last()?.kind, 'failed')
})

test('a codec is loaded when a pass first needs it, and the pass is begun anew', async () => {
  const loadedCodecs: Codec[] = []
  let codecs: RecordCodecs | undefined
  const { onMessage, last, closed } = serve(
    {
      buildMap() {
        codecs!.unfold(Codec.zstd, new Uint8Array(3))
        return map
      },
      nextGroup: () => undefined,
    },
    {
      async loadCodec(codec) {
        loadedCodecs.push(codec)
        return { unfold: bytes => bytes, fold: bytes => bytes }
      },
    },
    given => {
      codecs = given
    },
  )
  onMessage(clean)
  await turn()
  assert.deepEqual(last(), { kind: 'again' })
  assert.equal(closed(), 1)
  onMessage(clean)
  await turn()
  assert.equal(last()?.kind, 'done')
  assert.deepEqual(loadedCodecs, [Codec.zstd])
})

test('a codec that cannot be loaded fails the pass', async () => {
  let codecs: RecordCodecs | undefined
  const { onMessage, last } = serve(
    {
      buildMap() {
        codecs!.unfold(Codec.lz4, new Uint8Array(3))
        return map
      },
    },
    {
      async loadCodec() {
        throw new Error('not installed')
      },
    },
    given => {
      codecs = given
    },
  )
  onMessage(clean)
  await turn()
  assert.deepEqual(last(), {
    kind: 'failed',
    failure: { code: 'Error', message: 'not installed', segment: -1, position: -1 },
  })
})
