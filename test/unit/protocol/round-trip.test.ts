import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { messageCodec, Reader, Writer } from '../../../src/protocol/index.ts'
import type { MessageSchema } from '../../../src/protocol/notation.ts'
import { arbitraryMessage, withRecordBytes } from './arbitrary.ts'
import { allSchemas } from './schemas.ts'

const runs = Number(process.env.MILLRACE_PROPERTY_RUNS ?? 12)

function eachVersion(check: (schema: MessageSchema, version: number) => void): void {
  for (const schema of allSchemas) {
    for (let version = schema.versions.min; version <= schema.versions.max; version++) check(schema, version)
  }
}

test('every version of every request, response and record comes back from its bytes as it was', () => {
  const reader = new Reader()
  const writer = new Writer()
  eachVersion((schema, version) => {
    const codec = messageCodec(schema, version)
    const property = fc.property(arbitraryMessage(schema, version), value => {
      writer.reset()
      codec.encode(writer, value)
      const bytes = writer.written().slice()
      const decoded = codec.decode(reader.reset(bytes))
      reader.expectEnd()
      assert.deepStrictEqual(withRecordBytes(decoded, { kind: 'struct', fields: schema.fields }, bytes), value)
      writer.reset()
      codec.encode(writer, withRecordBytes(decoded, { kind: 'struct', fields: schema.fields }, bytes) as typeof value)
      assert.deepStrictEqual(writer.written().slice(), bytes)
    })
    try {
      fc.assert(property, { numRuns: runs })
    } catch (error) {
      throw new Error(`${schema.name} v${version}`, { cause: error })
    }
  })
})
