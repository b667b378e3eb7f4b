import { defaultSource, layoutOf, type NamedField, resolveNullable } from './layout.ts'
import type { Field, Fields, MessageSchema, ValueType, WireType } from './notation.ts'
import type { Writer } from './writer.ts'

/** Compiles the encoder of one version of a message. It appends to the writer; on error it leaves a partial message. */
export function compileEncoder(schema: MessageSchema, version: number): (writer: Writer, value: unknown) => void {
  return new Function('w', 'v', encoderSource(schema, version)) as (writer: Writer, value: unknown) => void
}

export function encoderSource(schema: MessageSchema, version: number): string {
  const source = new EncoderSource(version, version >= schema.flexibleSince)
  source.struct(schema.fields, 'v', '')
  return ['"use strict"', ...source.lines].join('\n')
}

class EncoderSource {
  readonly lines: string[] = []
  readonly #version: number
  readonly #flexible: boolean
  #names = 0

  constructor(version: number, flexible: boolean) {
    this.#version = version
    this.#flexible = flexible
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
    for (const { name, field } of inline) {
      this.#value(field.type, this.#fieldValue(object, name, field), join(path, name))
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
      case 'boolean':
        this.#emit(`w.boolean(${value})`)
        break
      default:
        this.#emit(`w.${type.kind}(${value}, '${path}')`)
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

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
