// Reads the published message definitions, in their own terms: nothing here uses the code that it is held against.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const repositoryRoot = fileURLToPath(new URL('../../..', import.meta.url))

/** Where the definitions lie; undefined where they are absent. */
export function definitionsDirectory(): string | undefined {
  const directory = process.env.MILLRACE_KAFKA_PROTOCOL ?? resolve(repositoryRoot, '../shared/kafka-protocol')
  return existsSync(join(directory, 'messages')) ? directory : undefined
}

export interface DefinedField {
  readonly name: string
  readonly type: string
  readonly versions?: string
  readonly taggedVersions?: string
  readonly nullableVersions?: string
  readonly tag?: number
  readonly default?: unknown
  readonly ignorable?: boolean
  readonly fields?: readonly DefinedField[]
}

export interface Definition {
  readonly apiKey?: number
  readonly name: string
  readonly type: string
  readonly listeners?: readonly string[]
  readonly validVersions: string
  readonly flexibleVersions?: string
  readonly latestVersionUnstable?: boolean
  readonly fields?: readonly DefinedField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly DefinedField[] }[]
}

export function readDefinitions(directory: string): Map<string, Definition> {
  const definitions = new Map<string, Definition>()
  for (const file of readdirSync(directory)) {
    if (!file.endsWith('.json')) continue
    const lines = readFileSync(join(directory, file), 'utf8').split('\n')
    const definition = JSON.parse(lines.filter(line => !line.trimStart().startsWith('//')).join('\n')) as Definition
    definitions.set(definition.name, definition)
  }
  return definitions
}

/** One field as one version sees it, absent ones included: what both sides are turned into to be compared. */
export interface FieldView {
  readonly path: string
  readonly type: string
  readonly present: boolean
  readonly nullable: boolean
  readonly tag: number | undefined
  readonly default: string
  readonly ignorable: boolean
}

export function definedView(definition: Definition, version: number): FieldView[] {
  const common = new Map((definition.commonStructs ?? []).map(struct => [struct.name, struct.fields]))
  const view: FieldView[] = []
  const walk = (fields: readonly DefinedField[], path: string, parentPresent: boolean): void => {
    for (const field of fields) {
      const name = field.name[0]!.toLowerCase() + field.name.slice(1)
      const element = field.type.replace('[]', '')
      const inner = field.fields ?? common.get(element)
      // A field that names no versions has those it is tagged in.
      const present = parentPresent && inRange(field.versions ?? field.taggedVersions, version)
      view.push({
        path: path + name,
        type: field.type.replace(element, inner === undefined ? element : 'struct'),
        present,
        nullable: present && inRange(field.nullableVersions, version),
        tag: present && inRange(field.taggedVersions, version) ? field.tag : undefined,
        default: definedDefault(field, inner !== undefined),
        ignorable: field.ignorable === true,
      })
      if (inner !== undefined) walk(inner, `${path}${name}.`, present)
    }
  }
  walk(definition.fields ?? [], '', true)
  return view
}

function inRange(text: string | undefined, version: number): boolean {
  if (text === undefined || text === 'none') return false
  if (text.endsWith('+')) return version >= Number(text.slice(0, -1))
  const [from, to = from] = text.split('-').map(Number)
  return version >= from! && version <= to!
}

function definedDefault(field: DefinedField, isStruct: boolean): string {
  if (field.default === null || field.default === 'null') return 'null'
  if (field.type.startsWith('[]')) return '[]'
  if (isStruct) return '{}'
  switch (field.type) {
    case 'string':
      return JSON.stringify(field.default ?? '')
    case 'bytes':
      return '[]'
    case 'records':
      return 'null'
    case 'uuid':
      return 'zero'
    case 'bool':
      return String(field.default ?? false)
    case 'float64':
      return String(Number(field.default ?? 0))
    default:
      return String(BigInt(String(field.default ?? 0)))
  }
}
