import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../../../src/base/error.ts'
import { FlushWaiters } from '../../../src/embedded/flush-waiters.ts'
import type { LogWriter } from '../../../src/native/log-writer.ts'

/** A writer whose batch cannot be sealed while `refusal` is set, and whose disk is fast. */
function subject() {
  const writer = {
    durableOffset: 0,
    refusal: undefined as Error | undefined,
    seal() {
      if (writer.refusal !== undefined) throw writer.refusal
    },
    requestFlush() {
      writer.durableOffset = 10
      return false
    },
  }
  return { writer, waiters: new FlushWaiters(writer as unknown as LogWriter, writer, () => {}) }
}

test('a disk that was full refuses those who wait, and serves those who come later', async () => {
  const { writer, waiters } = subject()
  writer.refusal = new MillraceError('MILLRACE_NO_SPACE', 'The disk is full.')
  await assert.rejects(waiters.wait(5), { code: 'MILLRACE_NO_SPACE' })
  writer.refusal = undefined
  await waiters.wait(5)
})

test('a log that failed refuses everybody from then on', async () => {
  const { writer, waiters } = subject()
  writer.refusal = new MillraceError('MILLRACE_FAILED', 'The log has failed.')
  await assert.rejects(waiters.wait(5), { code: 'MILLRACE_FAILED' })
  writer.refusal = undefined
  await assert.rejects(waiters.wait(5), { code: 'MILLRACE_FAILED' })
})
