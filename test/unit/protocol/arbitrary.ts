// Random values for any schema, made from its table: what an encoder takes and what the decoder must give back.

import fc from 'fast-check'
import { uuidFromBytes } from '../../../src/protocol/index.ts'
import type { Field, Fields, MessageSchema, WireType } from '../../../src/protocol/notation.ts'

/** A value to encode, with the value that decoding it in the same version must yield. */
export function arbitraryMessage(schema: MessageSchema, version: number): fc.Arbitrary<Record<string, unknown>> {
  return arbitraryStruct(schema.fields, version, version >= schema.flexibleSince, 0)
}

function arbitraryStruct(
  fields: Fields,
  version: number,
  flexible: boolean,
  depth: number,
): fc.Arbitrary<Record<string, unknown>> {
  const members: Record<string, fc.Arbitrary<unknown>> = {}
  for (const [name, field] of Object.entries(fields)) {
    members[name] = isSent(field, version, flexible)
      ? arbitraryField(field, version, flexible, depth)
      : fc.constant(defaultValue(field))
  }
  return fc.record(members, { noNullPrototype: true })
}

function arbitraryField(field: Field, version: number, flexible: boolean, depth: number): fc.Arbitrary<unknown> {
  const value = arbitraryValue(field.type, version, flexible, depth)
  // The default is where the encoder leaves tagged fields out: draw it often.
  return field.tag === undefined ? value : fc.oneof(fc.constant(defaultValue(field)), value)
}

export function isSent(field: Field, version: number, flexible: boolean): boolean {
  const present = version >= field.since && version <= (field.until ?? Number.POSITIVE_INFINITY)
  return present && (field.tag === undefined || flexible)
}

export function defaultValue(field: Field): unknown {
  return field.ifAbsent === undefined ? emptyValue(field.type) : field.ifAbsent
}

function emptyValue(type: WireType): unknown {
  switch (type.kind) {
    case 'nullable':
      return emptyValue(type.inner)
    case 'array':
      return []
    case 'struct':
      return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, defaultValue(field)]))
    case 'string':
      return ''
    case 'bytes':
      return new Uint8Array(0)
    case 'records':
      return null
    case 'boolean':
      return false
    case 'int64exact':
      return 0n
    case 'uuid':
      return 'AAAAAAAAAAAAAAAAAAAAAA'
    default:
      return 0
  }
}

function arbitraryValue(type: WireType, version: number, flexible: boolean, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'nullable': {
      const inner = arbitraryValue(type.inner, version, flexible, depth)
      return version >= type.since ? fc.option(inner, { nil: null, freq: 3 }) : inner
    }
    case 'array':
      return fc.array(arbitraryValue(type.element, version, flexible, depth + 1), { maxLength: depth > 1 ? 2 : 3 })
    case 'struct':
      return arbitraryStruct(type.fields, version, flexible, depth + 1)
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f })
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff })
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff })
    case 'int32':
      return fc.integer()
    case 'uint32':
      return fc.integer({ min: 0, max: 0xffff_ffff })
    case 'int64':
    case 'int64clamped':
      return fc.maxSafeInteger()
    case 'int64exact':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case 'float64':
      return fc.double()
    case 'boolean':
      return fc.boolean()
    case 'string':
      return fc.oneof(
        fc.string({ maxLength: 12 }),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        fc.string({ minLength: 40, maxLength: 200 }),
      )
    case 'bytes':
    case 'records':
      return fc.uint8Array({ maxLength: 200 })
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => uuidFromBytes(bytes))
  }
}

/** `value` with each records view replaced by the bytes it points at, so that it compares with what was encoded. */
export function withRecordBytes(value: unknown, type: WireType, frame: Uint8Array): unknown {
  if (value === null) return null
  switch (type.kind) {
    case 'nullable':
      return withRecordBytes(value, type.inner, frame)
    case 'array':
      return (value as unknown[]).map(element => withRecordBytes(element, type.element, frame))
    case 'struct': {
      const members = value as Record<string, unknown>
      const entries = Object.entries(type.fields).map(([name, field]) => [
        name,
        withRecordBytes(members[name], field.type, frame),
      ])
      return Object.fromEntries(entries)
    }
    case 'records': {
      const { position, length } = value as { position: number; length: number }
      return frame.slice(position, position + length)
    }
    default:
      return value
  }
}
