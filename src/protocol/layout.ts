// What one version of a message looks like on the wire: shared by the decoder and the encoder compilers.

import type { Field, Fields, ScalarKind, ValueType, WireType } from './notation.ts'

/** Bytes of the kinds whose size is always the same. */
const fixedBytes: Partial<Record<ScalarKind, number>> = {
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  int64clamped: 8,
  int64exact: 8,
  float64: 8,
  boolean: 1,
  uuid: 16,
}

export interface NamedField {
  readonly name: string
  readonly field: Field
}

/** The fields of a struct, by how a version carries them. */
export interface StructLayout {
  readonly inline: readonly NamedField[]
  readonly tagged: readonly NamedField[]
  readonly absent: readonly NamedField[]
}

export function fixedSize(type: WireType): number | undefined {
  return type.kind === 'nullable' || type.kind === 'array' || type.kind === 'struct' ? undefined : fixedBytes[type.kind]
}

/** The longest run of fixed-size fields from `start` on: they can share one bounds check. */
export function fixedRun(fields: readonly NamedField[], start: number): readonly NamedField[] {
  let end = start
  while (end < fields.length && fixedSize(fields[end]!.field.type) !== undefined) end++
  return fields.slice(start, end)
}

/** The path of a field, as errors name it. */
export function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** Splits a struct's fields, in wire order; tagged fields by their number. */
export function layoutOf(fields: Fields, version: number, flexible: boolean): StructLayout {
  const inline: NamedField[] = []
  const tagged: NamedField[] = []
  const absent: NamedField[] = []
  for (const [name, field] of Object.entries(fields)) {
    // Names end up in compiled source: none but plain identifiers may.
    if (!/^[a-z][A-Za-z0-9]*$/.test(name)) throw new TypeError(`not a field name: ${name}`)
    if (field.tag !== undefined && !Number.isInteger(field.tag)) throw new TypeError(`not a tag: ${name}`)
    const present = version >= field.since && version <= (field.until ?? Number.POSITIVE_INFINITY)
    if (!present || (field.tag !== undefined && !flexible)) absent.push({ name, field })
    else if (field.tag !== undefined) tagged.push({ name, field })
    else inline.push({ name, field })
  }
  tagged.sort((a, b) => a.field.tag! - b.field.tag!)
  return { inline, tagged, absent }
}

/** The type without its nullability, and whether null may be sent in this version. */
export function resolveNullable(type: WireType, version: number): { type: ValueType; nullable: boolean } {
  return type.kind === 'nullable' ? { type: type.inner, nullable: version >= type.since } : { type, nullable: false }
}

/** The fewest bytes that a value can take: bounds how many elements an array's bytes can hold. */
export function minimumBytes(wireType: WireType, version: number, flexible: boolean): number {
  const { type, nullable } = resolveNullable(wireType, version)
  if (type.kind === 'array') return flexible ? 1 : 4
  if (type.kind === 'struct') {
    if (nullable) return 1
    let total = flexible ? 1 : 0
    for (const { field } of layoutOf(type.fields, version, flexible).inline) {
      total += minimumBytes(field.type, version, flexible)
    }
    return total
  }
  return fixedBytes[type.kind] ?? (flexible ? 1 : type.kind === 'string' ? 2 : 4)
}

/** Source of the value that a field has where nothing was sent. */
export function defaultSource(field: Field): string {
  const { ifAbsent } = field
  if (typeof ifAbsent === 'bigint') return `${ifAbsent}n`
  if (ifAbsent !== undefined) return JSON.stringify(ifAbsent)
  return emptySource(field.type)
}

function emptySource(type: WireType): string {
  switch (type.kind) {
    case 'nullable':
      return emptySource(type.inner)
    case 'array':
      return '[]'
    case 'struct': {
      const members = Object.entries(type.fields).map(([name, field]) => `${name}: ${defaultSource(field)}`)
      return `{ ${members.join(', ')} }`
    }
    case 'boolean':
      return 'false'
    case 'string':
      return '""'
    case 'uuid':
      return '"AAAAAAAAAAAAAAAAAAAAAA"'
    case 'bytes':
      return 'new Uint8Array(0)'
    case 'records':
      return 'null'
    case 'int64exact':
      return '0n'
    default:
      return '0'
  }
}
