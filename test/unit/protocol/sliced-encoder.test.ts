import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allApis } from '../../../src/protocol/all-apis.ts'
import { encodeResponseInSlices, ProtocolError, responseCodec, Writer } from '../../../src/protocol/index.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { arbitraryMessage } from './arbitrary.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 4)

/** Encodes to the end; how many slices it took comes with the bytes. */
function encode(steps: Generator<undefined, void, undefined>, writer: Writer): { bytes: Uint8Array; slices: number } {
  for (let slices = 1; ; slices++) if (steps.next().done === true) return { bytes: writer.written(), slices }
}

const named = (count: number) => ({
  brokers: [],
  topics: Array.from({ length: count }, (_, index) => ({ errorCode: 0 as const, name: `t${index}`, partitions: [] })),
})

test('a response encoded in slices is the response encoded at once', () => {
  for (const sliceElements of [1, 7, 99, 100_000]) {
    const whole = new Writer()
    responseCodec(metadata, 12).encode(whole, named(100))
    const writer = new Writer(16)
    const { bytes, slices } = encode(encodeResponseInSlices(metadata, 12, writer, named(100), sliceElements), writer)
    assert.deepEqual(bytes, whole.written())
    assert.equal(slices, 1 + Math.floor(99 / sliceElements))
  }
})

test('so is every version of every response, an element a slice', () => {
  for (const api of allApis)
    for (let version = api.versions.min; version <= api.versions.max; version++) {
      const property = fc.property(arbitraryMessage(api.response, version), value => {
        const whole = new Writer()
        responseCodec(api, version).encode(whole, value as never)
        const writer = new Writer(16)
        const { bytes } = encode(encodeResponseInSlices(api, version, writer, value as never, 1), writer)
        assert.deepEqual(bytes, whole.written(), `${api.name} v${version}`)
      })
      fc.assert(property, { numRuns: runs, seed: 1 })
    }
})

test('what cannot be encoded is refused in the slice that meets it', () => {
  const writer = new Writer()
  const response = { ...named(3), controllerId: 'one' as never }
  const steps = encodeResponseInSlices(metadata, 12, writer, response, 1)
  assert.throws(() => encode(steps, writer), ProtocolError)
})
