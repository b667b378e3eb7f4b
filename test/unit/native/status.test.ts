import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { EventKind, Slot } from '../../../src/native/addon.ts'
import { errorCode, fromNative, NativeError, statusError } from '../../../src/native/errors.ts'
import { loadAddon } from '../../../src/native/load-addon.ts'
import { StatusCode, type StatusName, statusName } from '../../../src/native/status.ts'

const header = (path: string): string => readFileSync(new URL(`../../../native/${path}`, import.meta.url), 'utf8')

/** `kName = number` in an enum, by name without the k. */
function enumerators(source: string, from: string): Record<string, number> {
  const body = source.slice(source.indexOf(from)).split('};')[0]!
  const withoutComments = body.replace(/\/\/.*$/gm, '')
  const found: Record<string, number> = {}
  for (const [, first, rest, number] of withoutComments.matchAll(/\bk([A-Z])(\w*) = (\d+),/g)) {
    found[first!.toLowerCase() + rest!] = Number(number)
  }
  return found
}

test('the table of statuses is the one of status.h, number for number', () => {
  assert.deepEqual({ ...StatusCode }, enumerators(header('core/base/status.h'), 'enum class Code'))
})

test('the addon names the statuses as the table does', () => {
  assert.deepEqual({ ...loadAddon().statuses }, { ...StatusCode })
})

test('the slots of the call block are those of call_block.h', () => {
  const { callSlots: _, ...slots } = enumerators(header('binding/call_block.h'), 'enum CallSlot')
  assert.deepEqual({ ...Slot }, slots)
})

test('the kinds of events are those of transport.h', () => {
  assert.deepEqual({ ...EventKind }, enumerators(header('core/io/transport.h'), 'enum class EventKind'))
})

test('every status becomes an error with a code, a number and a message that says what to do', () => {
  for (const [name, code] of Object.entries(StatusCode)) {
    const error = statusError('open the log in /data/t-0', code, 28)
    assert.equal(statusName(code), name)
    assert.equal(error.code, errorCode(name as StatusName))
    assert.match(error.code, /^MILLRACE_[A-Z_]+$/)
    assert.equal(error.nativeCode, code)
    assert.equal(error.errno, 28)
    assert.match(error.message, /^Cannot open the log in \/data\/t-0: .+ \(ENOSPC\)\.$/)
  }
  assert.equal(statusError('guess', 999).code, 'MILLRACE_UNKNOWN_STATUS')
})

test('an error of the addon carries code, number and errno, and is retold in terms of what was tried', () => {
  let native: unknown
  try {
    loadAddon().lockFile('/nonexistent/file')
  } catch (error) {
    native = error
  }
  assert.ok(native instanceof Error)
  const { code, nativeCode, errno } = native as Error & Record<string, unknown>
  assert.deepEqual([code, nativeCode, errno], ['MILLRACE_NOT_FOUND', StatusCode.notFound, 2])
  const told = fromNative('lock the data directory', native)
  assert.ok(told instanceof NativeError)
  assert.deepEqual([told.code, told.nativeCode, told.errno], ['MILLRACE_NOT_FOUND', StatusCode.notFound, 2])
  assert.match(told.message, /^Cannot lock the data directory: .*\(ENOENT\)\.$/)
})
