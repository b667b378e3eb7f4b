import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allApis } from '../../../src/protocol/all-apis.ts'
import {
  apiName,
  defineMessage,
  ErrorCode,
  errorMessage,
  errorName,
  isErrorCode,
  isRetriable,
  isUuid,
  knownApiKeys,
  messageCodec,
  ProtocolError,
  parseVersions,
  Reader,
  requestCodec,
  type Uuid,
  uuidFromBytes,
  uuidToBytes,
  Writer,
  zeroUuid,
} from '../../../src/protocol/index.ts'
import { int32 } from '../../../src/protocol/notation.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'

test('a UUID is the base64url of its bytes', () => {
  assert.equal(zeroUuid, Buffer.alloc(16).toString('base64url'))
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), bytes => {
      const text = uuidFromBytes(bytes)
      assert.equal(text, Buffer.from(bytes).toString('base64url'))
      assert.ok(isUuid(text))
      assert.deepEqual(uuidToBytes(text), bytes)
      assert.equal(new Reader(bytes).uuid(0), text)
    }),
  )
})

test('text that is not exactly one UUID is refused', () => {
  for (const text of [
    '',
    'AAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAAAAAAB',
    'AAAA+AAAAAAAAAAAAAAAAA',
  ]) {
    assert.equal(isUuid(text), false)
    assert.throws(() => uuidToBytes(text as Uuid), TypeError)
  }
})

test('strings decode to what was sent, whether cached, long or beyond ASCII', () => {
  const texts = [
    '',
    'a',
    'orders',
    'é',
    'naïve topic',
    '\ufeffwith a mark',
    '\ufeff\ufffd',
    '日本語',
    '🚀',
    '\ufffd',
    'x'.repeat(5000),
  ]
  for (const text of [...texts, ...texts]) {
    const bytes = Buffer.from(text)
    assert.equal(new Reader(bytes).string(0, bytes.length, ''), text)
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const bytes = Buffer.from(text)
      assert.equal(new Reader(bytes).string(0, bytes.length, ''), bytes.toString())
    }),
  )
})

test('a short string that comes again is the same object, and its frame may be overwritten', () => {
  const frame = Buffer.from('topic-1')
  const reader = new Reader(frame)
  const first = reader.string(0, 7, '')
  frame.fill('x')
  assert.equal(first, 'topic-1')
  assert.equal(reader.string(0, 7, ''), 'xxxxxxx')
})

test('error codes have a name, a message and a number of their own', () => {
  const codes = Object.values(ErrorCode)
  assert.deepEqual(
    codes.toSorted((a, b) => a - b),
    Array.from({ length: 138 }, (_, i) => i - 1),
  )
  for (const [name, code] of Object.entries(ErrorCode)) {
    assert.equal(errorName(code), name)
    assert.match(errorMessage(code), /^[A-Z].*\.$/)
    assert.ok(isErrorCode(code))
  }
  assert.equal(isErrorCode(137), false)
  assert.equal(errorName(1000), '1000')
  assert.equal(isRetriable(ErrorCode.NOT_LEADER_OR_FOLLOWER), true)
  assert.equal(isRetriable(ErrorCode.MESSAGE_TOO_LARGE), false)
})

test('the list of API names is that of the tables', () => {
  assert.deepEqual(
    knownApiKeys(),
    allApis.map(({ key }) => key),
  )
  for (const { key, name } of allApis) assert.equal(apiName(key), name)
  assert.equal(apiName(-5), 'api -5')
})

test('a version outside the table has no codec', () => {
  for (const version of [-1, 2, 14, 3.5, Number.NaN]) {
    assert.throws(
      () => requestCodec(produce, version),
      (error: unknown) => error instanceof ProtocolError && error.reason === 'unsupported-version',
    )
  }
  assert.equal(requestCodec(produce, 3), messageCodec(produce.request, 3))
})

test('a table whose names are not plain identifiers is not compiled', () => {
  for (const name of ['a-b', 'A', '_a', 'a b', "x'", '']) {
    const schema = defineMessage({
      name: 'Odd',
      versions: '0',
      flexible: 'none',
      fields: { [name]: { type: int32, since: 0 } },
    })
    assert.throws(() => messageCodec(schema, 0).decode(new Reader(new Uint8Array(4))), TypeError)
    assert.throws(() => messageCodec(schema, 0).encode(new Writer(), { [name]: 1 }), TypeError)
  }
})

test('version ranges read as written, and nothing else does', () => {
  assert.deepEqual(parseVersions('3-13'), { min: 3, max: 13 })
  assert.deepEqual(parseVersions('0'), { min: 0, max: 0 })
  assert.deepEqual(parseVersions('9+'), { min: 9, max: Number.POSITIVE_INFINITY })
  for (const text of ['', 'none', '3-', '5-3', '-1', '1,2']) assert.throws(() => parseVersions(text), TypeError)
})

test('a reader refuses a window outside its bytes', () => {
  const reader = new Reader(new Uint8Array(10))
  assert.throws(() => reader.reset(new Uint8Array(10), 4, 11), RangeError)
  assert.throws(() => reader.reset(new Uint8Array(10), 6, 5), RangeError)
  assert.throws(() => reader.reset(new Uint8Array(10), -1, 5), RangeError)
})

test('bytes fields are copies, and positions are relative to the source that was given', () => {
  const backing = new Uint8Array(100).fill(9)
  const reader = new Reader(backing.subarray(50, 60))
  const copy = reader.copy(2, 3, 'bytes')
  backing.fill(1)
  assert.deepEqual([...copy], [9, 9, 9])
  assert.equal(copy.buffer.byteLength, 3)
})
