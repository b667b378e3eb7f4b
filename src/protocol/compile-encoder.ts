import { defaultSource, fixedRun, fixedSize, join, layoutOf, type NamedField, resolveNullable } from './layout.ts'
import type { Field, Fields, MessageSchema, ScalarKind, ScalarType, ValueType, WireType } from './notation.ts'
import type { Writer } from './writer.ts'

/**
 * Compiles the encoder of one version of a message. It appends to the writer; on error it leaves a partial message.
 * A run of fixed-size fields takes its room in one call and is then written straight into it.
 */
export function compileEncoder(schema: MessageSchema, version: number): (writer: Writer, value: unknown) => void {
  return new Function('w', 'v', encoderSource(schema, version)) as (writer: Writer, value: unknown) => void
}

/** As `compileEncoder`; the function that comes out yields after each `n` array elements. */
export function compileSlicedEncoder(schema: MessageSchema, version: number): SlicedEncoder {
  return new GeneratorFunction('w', 'v', 'n', encoderSource(schema, version, true)) as SlicedEncoder
}

/** Started with a writer that is its own until the end, and gone on with until it is done. */
export type SlicedEncoder = (
  writer: Writer,
  value: unknown,
  sliceElements: number,
) => Generator<undefined, void, undefined>

const GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor as FunctionConstructor

export function encoderSource(schema: MessageSchema, version: number, sliced = false): string {
  const source = new EncoderSource(version, version >= schema.flexibleSince, sliced)
  source.struct(schema.fields, 'v', '')
  const slice = sliced ? ['let left = n'] : []
  return ['"use strict"', 'let at = 0, view = w.view', ...slice, ...source.lines].join('\n')
}

class EncoderSource {
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

  /** Emits the writing of the struct that the expression `object` names. */
  struct(fields: Fields, object: string, path: string): void {
    const { inline, tagged, absent } = layoutOf(fields, this.#version, this.#flexible)
    for (const { name, field } of absent) {
      if (field.ignorable) continue
      const value = this.#local(`${object}.${name}`)
      this.#emit(`if (${value} !== undefined && !(${isDefault(field, value)}))`)
      this.#emit(`  w.fail('not-in-version', '${join(path, name)}')`)
    }
    let at = 0
    while (at < inline.length) {
      const run = fixedRun(inline, at)
      if (run.length > 0) {
        this.#fixed(run, object, path)
        at += run.length
      } else {
        const { name, field } = inline[at]!
        this.#value(field.type, this.#fieldValue(object, name, field), join(path, name))
        at++
      }
    }
    if (this.#flexible) this.#tags(tagged, object, path)
  }

  #emit(...lines: string[]): void {
    this.lines.push(...lines)
  }

  #local(expression: string): string {
    const name = `e${this.#names++}`
    this.#emit(`const ${name} = ${expression}`)
    return name
  }

  /** The value of a field: its default where it was left out. */
  #fieldValue(object: string, name: string, field: Field): string {
    const given = this.#local(`${object}.${name}`)
    if (field.ifAbsent === undefined && field.since === 0 && field.until === undefined && field.tag === undefined) {
      return given
    }
    return this.#local(`${given} === undefined ? ${defaultSource(field)} : ${given}`)
  }

  #fixed(run: readonly NamedField[], object: string, path: string): void {
    const values = run.map(({ name, field }) => this.#fieldValue(object, name, field))
    const total = run.reduce((sum, { field }) => sum + fixedSize(field.type)!, 0)
    // Checks come first: taking room may move the view, and a refused value must not leave a gap.
    run.forEach(({ name, field }, i) => {
      this.#check(field.type as ScalarType, values[i]!, join(path, name))
    })
    this.#emit(`at = w.take(${total})`, 'view = w.view')
    let offset = 0
    run.forEach(({ name, field }, i) => {
      const position = offset === 0 ? 'at' : `at + ${offset}`
      this.#put(field.type as ScalarType, values[i]!, position, join(path, name))
      offset += fixedSize(field.type)!
    })
  }

  /** Emits the refusal of values that the type cannot hold. */
  #check(type: ScalarType, value: string, path: string): void {
    const test = outOfRange(type, value)
    if (test !== undefined) this.#emit(`if (${test}) w.fail('value-out-of-range', '${path}')`)
  }

  /** Emits the writing of a checked fixed-size value into room already taken. */
  #put(type: ScalarType, value: string, position: string, path: string): void {
    switch (type.kind) {
      case 'int64':
      case 'int64clamped':
        // The low half of a safe integer is its remainder in two's complement, as `| 0` gives it.
        this.#emit(`view.setInt32(${position}, Math.floor(${value} / 4294967296))`)
        this.#emit(`view.setInt32(${position} + 4, ${value} | 0)`)
        break
      case 'boolean':
        this.#emit(`view.setInt8(${position}, ${value} ? 1 : 0)`)
        break
      case 'uuid':
        this.#emit(`w.uuidAt(${value}, ${position}, '${path}')`)
        break
      default:
        this.#emit(`view.${setters[type.kind]}(${position}, ${value})`)
    }
  }

  #value(wireType: WireType, value: string, path: string): void {
    const { type, nullable } = resolveNullable(wireType, this.#version)
    if (mayBeNull(type)) {
      this.#emit(`if (${value} === null || ${value} === undefined) {`)
      if (nullable) this.#null(type)
      else this.#emit(`w.fail('null-not-allowed', '${path}')`)
      this.#emit('} else {')
      if (nullable && type.kind === 'struct') this.#emit(`w.int8(1, '')`)
    }
    this.#present(type, value, path)
    if (mayBeNull(type)) this.#emit('}')
  }

  #null(type: ValueType): void {
    if (type.kind === 'struct') this.#emit(`w.int8(-1, '')`)
    else if (type.kind === 'string') this.#emit(`w.nullString(${this.#flexible})`)
    else this.#emit(`w.length(-1, ${this.#flexible})`)
  }

  #present(type: ValueType, value: string, path: string): void {
    const compact = this.#flexible
    switch (type.kind) {
      case 'struct':
        this.struct(type.fields, value, path)
        break
      case 'array': {
        const index = `e${this.#names++}`
        this.#emit(`w.length(${value}.length, ${compact})`)
        this.#emit(`for (let ${index} = 0; ${index} < ${value}.length; ${index}++) {`)
        if (this.#sliced) this.#emit('if (--left < 0) { yield; left = n - 1 }')
        const element = this.#local(`${value}[${index}]`)
        this.#value(type.element, element, path)
        this.#emit('}')
        break
      }
      case 'string':
        this.#emit(`w.string(${value}, ${compact}, '${path}')`)
        break
      case 'bytes':
        this.#emit(`w.byteArray(${value}, ${compact})`)
        break
      case 'records':
        this.#emit(`w.records(${value}, ${compact}, '${path}')`)
        break
      default:
        this.#check(type, value, path)
        this.#emit(`at = w.take(${fixedSize(type)})`, 'view = w.view')
        this.#put(type, value, 'at', path)
    }
  }

  /** Tagged fields are sent only where they differ from their default. */
  #tags(tagged: readonly NamedField[], object: string, path: string): void {
    if (tagged.length === 0) {
      this.#emit('w.uvarint(0)')
      return
    }
    const sent = tagged.map(({ name, field }) => {
      const value = this.#local(`${object}.${name}`)
      return { name, field, value, flag: this.#local(`${value} !== undefined && !(${isDefault(field, value)})`) }
    })
    this.#emit(`w.uvarint(${sent.map(({ flag }) => `(${flag} ? 1 : 0)`).join(' + ')})`)
    for (const { name, field, value, flag } of sent) {
      this.#emit(`if (${flag}) {`)
      const mark = this.#local(`w.beginTag(${field.tag})`)
      this.#value(field.type, value, join(path, name))
      this.#emit(`w.endTag(${mark})`, '}')
    }
  }
}

const setters: Partial<Record<ScalarKind, string>> = {
  int8: 'setInt8',
  int16: 'setInt16',
  uint16: 'setUint16',
  int32: 'setInt32',
  uint32: 'setUint32',
  int64exact: 'setBigInt64',
  float64: 'setFloat64',
}

/** Source of the test whether a value does not fit its type; what is no number, or left out by mistake, does not. */
function outOfRange(type: ScalarType, value: string): string | undefined {
  switch (type.kind) {
    case 'int8':
      return `${value} << 24 >> 24 !== ${value}`
    case 'int16':
      return `${value} << 16 >> 16 !== ${value}`
    case 'uint16':
      return `(${value} & 65535) !== ${value}`
    case 'int32':
      return `(${value} | 0) !== ${value}`
    case 'uint32':
      return `${value} >>> 0 !== ${value}`
    case 'int64':
      return `!Number.isSafeInteger(${value})`
    case 'int64exact':
      return `typeof ${value} !== 'bigint' || BigInt.asIntN(64, ${value}) !== ${value}`
    case 'float64':
      return `typeof ${value} !== 'number'`
    case 'boolean':
      return `typeof ${value} !== 'boolean'`
    default:
      return undefined
  }
}

function mayBeNull(type: ValueType): boolean {
  switch (type.kind) {
    case 'struct':
    case 'array':
    case 'string':
    case 'bytes':
    case 'records':
      return true
    default:
      return false
  }
}

/** Source of the test whether `value`, which is not undefined, says no more than leaving the field out would. */
function isDefault(field: Field, value: string): string {
  if (field.ifAbsent !== undefined) return `${value} === ${defaultSource(field)}`
  const type = field.type.kind === 'nullable' ? field.type.inner : field.type
  switch (type.kind) {
    case 'array':
    case 'bytes':
      return `${value} !== null && ${value}.length === 0`
    case 'struct': {
      const members = Object.entries(type.fields).map(([name, member]) => {
        const inner = `${value}.${name}`
        return `(${inner} === undefined || ${isDefault(member, inner)})`
      })
      return `${value} !== null && ${members.join(' && ')}`
    }
    default:
      return `${value} === ${defaultSource(field)}`
  }
}
