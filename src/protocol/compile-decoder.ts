import {
  defaultSource,
  fixedRun,
  fixedSize,
  join,
  layoutOf,
  minimumBytes,
  type NamedField,
  resolveNullable,
} from './layout.ts'
import type { Fields, MessageSchema, ScalarType, ValueType, WireType } from './notation.ts'
import type { Reader } from './reader.ts'

/**
 * Compiles the decoder of one version of a message into one function without calls per fixed-size field: position,
 * end and the element budget live in local variables, runs of fixed-size fields share one bounds check.
 */
export function compileDecoder(schema: MessageSchema, version: number): (reader: Reader) => unknown {
  return new Function('r', decoderSource(schema, version)) as (reader: Reader) => unknown
}

/** As `compileDecoder`; the function that comes out yields where a turn's share of decoding is used up. */
export function compileSlicedDecoder(schema: MessageSchema, version: number): SlicedDecoder {
  return new GeneratorFunction('r', decoderSource(schema, version, true)) as SlicedDecoder
}

/** Started with a reader that is its own until the end, and gone on with until it is done. */
export type SlicedDecoder = (reader: Reader) => Generator<undefined, unknown, undefined>

const GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor as FunctionConstructor

export function decoderSource(schema: MessageSchema, version: number, sliced = false): string {
  const source = new DecoderSource(version, version >= schema.flexibleSince, sliced)
  const value = source.struct(schema.fields, '')
  return [
    '"use strict"',
    'const view = r.view, bytes = r.bytes',
    'let p = r.position, end = r.end, left = r.maxElements',
    ...(sliced ? ['let slice = r.sliceElements'] : []),
    ...source.lines,
    'r.position = p',
    'r.elements = r.maxElements - left',
    `return ${value}`,
  ].join('\n')
}

class DecoderSource {
  readonly lines: string[] = []
  readonly #version: number
  readonly #flexible: boolean
  readonly #sliced: boolean
  #names = 0

  constructor(version: number, flexible: boolean, sliced: boolean) {
    this.#version = version
    this.#flexible = flexible
    this.#sliced = sliced
  }

  /** Emits the reading of a struct's fields; returns the expression of the object. */
  struct(fields: Fields, path: string): string {
    const { inline, tagged, absent } = layoutOf(fields, this.#version, this.#flexible)
    const values = new Map<string, string>()
    for (const { name, field } of absent) values.set(name, defaultSource(field))
    let at = 0
    while (at < inline.length) {
      const run = fixedRun(inline, at)
      if (run.length > 0) {
        this.#fixed(run, path, values)
        at += run.length
      } else {
        const { name, field } = inline[at]!
        values.set(name, this.#value(field.type, join(path, name)))
        at++
      }
    }
    if (this.#flexible) this.#tags(tagged, path, values)
    return `{ ${Object.keys(fields)
      .map(name => `${name}: ${values.get(name)}`)
      .join(', ')} }`
  }

  #emit(...lines: string[]): void {
    this.lines.push(...lines)
  }

  #name(): string {
    return `v${this.#names++}`
  }

  #need(bytes: number | string, path: string): void {
    this.#emit(`if (end - p < ${bytes}) r.fail('truncated', p, '${path}')`)
  }

  #fixed(run: readonly NamedField[], path: string, values: Map<string, string>): void {
    const total = run.reduce((sum, { field }) => sum + fixedSize(field.type)!, 0)
    this.#need(total, join(path, run[0]!.name))
    let offset = 0
    for (const { name, field } of run) {
      const at = offset === 0 ? 'p' : `p + ${offset}`
      values.set(name, this.#scalarAt(field.type as ScalarType, at, join(path, name)))
      offset += fixedSize(field.type)!
    }
    this.#emit(`p += ${total}`)
  }

  /** Emits the reading of a fixed-size value that is known to be there. */
  #scalarAt(type: ScalarType, at: string, path: string): string {
    const name = this.#name()
    switch (type.kind) {
      case 'int8':
        this.#emit(`const ${name} = view.getInt8(${at})`)
        break
      case 'int16':
        this.#emit(`const ${name} = view.getInt16(${at})`)
        break
      case 'uint16':
        this.#emit(`const ${name} = view.getUint16(${at})`)
        break
      case 'int32':
        this.#emit(`const ${name} = view.getInt32(${at})`)
        break
      case 'uint32':
        this.#emit(`const ${name} = view.getUint32(${at})`)
        break
      case 'int64':
        // Rounding can only happen beyond 2^53, where the result is refused.
        this.#emit(
          `const ${name} = view.getInt32(${at}) * 4294967296 + view.getUint32(${at} + 4)`,
          `if (${name} > 9007199254740991 || ${name} < -9007199254740991) r.fail('int64-range', ${at}, '${path}')`,
        )
        break
      case 'int64clamped':
        this.#emit(
          `let ${name} = view.getInt32(${at}) * 4294967296 + view.getUint32(${at} + 4)`,
          `if (${name} > 9007199254740991) ${name} = 9007199254740991`,
          `else if (${name} < -9007199254740991) ${name} = -9007199254740991`,
        )
        break
      case 'int64exact':
        this.#emit(`const ${name} = view.getBigInt64(${at})`)
        break
      case 'float64':
        this.#emit(`const ${name} = view.getFloat64(${at})`)
        break
      case 'boolean':
        this.#emit(`const ${name} = bytes[${at}] !== 0`)
        break
      case 'uuid':
        this.#emit(`const ${name} = r.uuid(${at})`)
        break
      default:
        throw new TypeError(`${type.kind} has no fixed size`)
    }
    return name
  }

  /** Emits the reading of one value of any type; returns the variable that holds it. */
  #value(wireType: WireType, path: string): string {
    const { type, nullable } = resolveNullable(wireType, this.#version)
    const size = fixedSize(type)
    if (size !== undefined) {
      this.#need(size, path)
      const name = this.#scalarAt(type as ScalarType, 'p', path)
      this.#emit(`p += ${size}`)
      return name
    }
    if (type.kind === 'struct') return this.#structValue(type.fields, nullable, path)
    return this.#sized(type, nullable, path)
  }

  #structValue(fields: Fields, nullable: boolean, path: string): string {
    const name = this.#name()
    this.#emit(`let ${name}`)
    if (nullable) {
      this.#need(1, path)
      this.#emit(`if (view.getInt8(p++) < 0) ${name} = null`, 'else')
    }
    this.#emit('{')
    const value = this.struct(fields, path)
    this.#emit(`${name} = ${value}`, '}')
    return name
  }

  /** Strings, bytes, records and arrays: a length, then that many bytes or elements. */
  #sized(type: ValueType, nullable: boolean, path: string): string {
    const name = this.#name()
    const length = this.#length(type, path)
    const onNull = nullable ? `${name} = null` : `r.fail('null-not-allowed', p, '${path}')`
    this.#emit(`let ${name}`, `if (${length} < 0) ${onNull}`, 'else {')
    if (type.kind === 'array') this.#elements(type.element, name, length, path)
    else {
      if (type.kind === 'string') this.#emit(`if (${length} > 32767) r.fail('invalid-length', p, '${path}')`)
      this.#need(length, path)
      const value =
        type.kind === 'string'
          ? `r.string(p, ${length}, '${path}')`
          : type.kind === 'bytes'
            ? `r.copy(p, ${length}, '${path}')`
            : `{ position: p, length: ${length} }`
      this.#emit(`${name} = ${value}`, `p += ${length}`)
    }
    this.#emit('}')
    return name
  }

  /** Emits the reading of a length, -1 for null. */
  #length(type: ValueType, path: string): string {
    const name = this.#name()
    if (this.#flexible) {
      this.#uvarint(name, path)
      this.#emit(`${name}--`)
      return name
    }
    const short = type.kind === 'string'
    this.#need(short ? 2 : 4, path)
    this.#emit(
      `const ${name} = view.getInt${short ? 16 : 32}(p)`,
      `if (${name} < -1) r.fail('invalid-length', p, '${path}')`,
      `p += ${short ? 2 : 4}`,
    )
    return name
  }

  #uvarint(name: string, path: string): void {
    this.#emit(
      `let ${name} = bytes[p]`,
      `if (p < end && ${name} < 128) p++`,
      `else { ${name} = r.uvarint(p, end, '${path}'); p = r.position }`,
    )
  }

  #elements(element: WireType, array: string, count: string, path: string): void {
    const least = Math.max(1, minimumBytes(element, this.#version, this.#flexible))
    const index = this.#name()
    this.#emit(
      `if (${count} * ${least} > end - p) r.fail('too-many-elements', p, '${path}')`,
      `if ((left -= ${count}) < 0) r.fail('decode-limit', p, '${path}')`,
      `${array} = new Array(${count})`,
      `for (let ${index} = 0; ${index} < ${count}; ${index}++) {`,
    )
    if (this.#sliced)
      this.#emit('if (--slice < 0 || r.textLeft < 0) { yield; slice = r.sliceElements; r.textLeft = r.maxTextBytes }')
    const value = element.kind === 'struct' ? this.struct(element.fields, path) : this.#value(element, path)
    this.#emit(`${array}[${index}] = ${value}`, '}')
  }

  #tags(tagged: readonly NamedField[], path: string, values: Map<string, string>): void {
    if (tagged.length === 0) {
      this.#emit('if (p < end && bytes[p] === 0) p++', `else p = r.skipTags(p, end, '${path}')`)
      return
    }
    for (const { name } of tagged) {
      const variable = this.#name()
      values.set(name, variable)
      this.#emit(`let ${variable}`)
    }
    const [count, tag, size, outer] = [this.#name(), this.#name(), this.#name(), this.#name()]
    this.#emit(
      `let ${count} = 0`,
      `if (p < end && bytes[p] === 0) p++`,
      `else { ${count} = r.tagCount(p, end, '${path}'); p = r.position }`,
      `for (; ${count} > 0; ${count}--) {`,
    )
    this.#uvarint(tag, path)
    this.#emit(`switch (${tag}) {`)
    for (const { name, field } of tagged) {
      const variable = values.get(name)!
      const fieldPath = join(path, name)
      this.#emit(`case ${field.tag}: {`)
      this.#uvarint(size, fieldPath)
      this.#need(size, fieldPath)
      // The field must fill its declared size exactly, and nothing in it may reach past that.
      this.#emit(`const ${outer} = end`, `end = p + ${size}`)
      const value = this.#value(field.type, fieldPath)
      this.#emit(
        `${variable} = ${value}`,
        `if (p !== end) r.fail('invalid-length', p, '${fieldPath}')`,
        `end = ${outer}`,
        'break',
        '}',
      )
    }
    this.#emit(`default: p = r.skipTag(p, end, '${path}')`, '}', '}')
    for (const { name, field } of tagged) {
      const variable = values.get(name)!
      this.#emit(`if (${variable} === undefined) ${variable} = ${defaultSource(field)}`)
    }
  }
}
