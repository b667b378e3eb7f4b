// Holds every table against the published definitions, field by field and version by version.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { allApis } from '../../../src/protocol/all-apis.ts'
import type { Field, Fields, MessageSchema, WireType } from '../../../src/protocol/notation.ts'
import { type Definition, definedView, definitionsDirectory, type FieldView, readDefinitions } from './definitions.ts'
import { allRecords, freeMessages } from './schemas.ts'

const directory = definitionsDirectory()
const skip = directory === undefined && 'the published definitions are absent: set MILLRACE_KAFKA_PROTOCOL'
const messages = directory === undefined ? new Map<string, Definition>() : readDefinitions(join(directory, 'messages'))

const records = directory === undefined ? new Map<string, Definition>() : readDefinitions(join(directory, 'records'))

/** APIs that clients or admin tools may call: brokers listen for them, and some version is still valid. */
function isClientFacing(definition: Definition): boolean {
  return (
    definition.type === 'request' &&
    definition.listeners?.includes('broker') === true &&
    definition.validVersions !== 'none'
  )
}

test('every client-facing API has a table, and every table a definition', { skip }, () => {
  const defined = [...messages.values()].filter(isClientFacing).map(({ apiKey, name }) => `${apiKey} ${name}`)
  const declared = allApis.map(api => `${api.key} ${api.request.name}`)
  assert.deepEqual(declared.toSorted(), defined.toSorted())
})

for (const api of allApis) {
  test(`${api.name} is as published`, { skip }, () => {
    const request = messages.get(api.request.name)
    const response = messages.get(api.response.name)
    assert.ok(request && response, 'no definition')
    assert.equal(api.key, request.apiKey)
    assert.equal(api.latestVersionUnstable, request.latestVersionUnstable === true)
    assertSameMessage(api.request, request)
    assertSameMessage(api.response, response)
  })
}

test('every record of the coordinators has a table, and every table a definition', { skip }, () => {
  const declared = allRecords.flatMap(({ name }) => [`${name}Key`, `${name}Value`])
  assert.deepEqual(declared.toSorted(), [...records.keys()].toSorted())
})

for (const record of allRecords) {
  test(`the ${record.name} record is as published`, { skip }, () => {
    const key = records.get(`${record.name}Key`)
    const value = records.get(`${record.name}Value`)
    assert.ok(key && value, 'no definition')
    assert.deepEqual([record.type, record.type], [key.apiKey, value.apiKey])
    assertSameMessage(record.key, key)
    assertSameMessage(record.value, value)
  })
}

for (const message of freeMessages) {
  test(`${message.name} is as published`, { skip }, () => {
    const definition = messages.get(message.name)
    assert.ok(definition, 'no definition')
    assertSameMessage(message, definition)
  })
}

test('a table that differs in any one respect is found out', { skip }, () => {
  const api = allApis.find(({ name }) => name === 'Metadata')!
  const definition = messages.get('MetadataRequest')!
  const fields = api.request.fields
  const damages: Record<string, Fields> = {
    'a field is missing': without(fields, 'includeTopicAuthorizedOperations'),
    'a field is in too early': { ...fields, allowAutoTopicCreation: { ...fields.allowAutoTopicCreation!, since: 3 } },
    'a field stays too long': {
      ...fields,
      includeClusterAuthorizedOperations: { ...fields.includeClusterAuthorizedOperations!, until: 11 },
    },
    'another default': { ...fields, allowAutoTopicCreation: { ...fields.allowAutoTopicCreation!, ifAbsent: false } },
    'another order': { ...without(fields, 'topics'), topics: fields.topics! },
    'not nullable': { ...fields, topics: { ...fields.topics!, type: inner(fields.topics!) } },
    'another type': {
      ...fields,
      allowAutoTopicCreation: { ...fields.allowAutoTopicCreation!, type: { kind: 'int8' } },
    },
    ignorable: { ...fields, allowAutoTopicCreation: { ...fields.allowAutoTopicCreation!, ignorable: true } },
  }
  for (const [damage, damaged] of Object.entries(damages)) {
    assert.throws(() => assertSameMessage({ ...api.request, fields: damaged }, definition), damage)
  }
  assert.throws(() => assertSameMessage({ ...api.request, flexibleSince: 8 }, definition))
  assert.throws(() => assertSameMessage({ ...api.request, versions: { min: 0, max: 12 } }, definition))
})

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))
}

function inner(field: Field): WireType {
  assert.ok(field.type.kind === 'nullable')
  return field.type.inner
}

function assertSameMessage(schema: MessageSchema, definition: Definition): void {
  const { min, max } = schema.versions
  assert.equal(min === max ? String(min) : `${min}-${max}`, definition.validVersions, `${schema.name}: versions`)
  const flexible = schema.flexibleSince === Number.POSITIVE_INFINITY ? 'none' : `${schema.flexibleSince}+`
  assert.equal(flexible, definition.flexibleVersions, `${schema.name}: flexible versions`)
  for (let version = min; version <= max; version++) {
    const declared = declaredView(schema.fields, version, version >= schema.flexibleSince)
    assert.deepEqual(declared, definedView(definition, version), `${schema.name} v${version}`)
  }
}

function declaredView(fields: Fields, version: number, flexible: boolean): FieldView[] {
  const view: FieldView[] = []
  const walk = (members: Fields, path: string, parentPresent: boolean): void => {
    for (const [name, field] of Object.entries(members)) {
      const present =
        parentPresent &&
        version >= field.since &&
        version <= (field.until ?? version) &&
        (flexible || field.tag === undefined)
      const value = field.type.kind === 'nullable' ? field.type.inner : field.type
      const element = value.kind === 'array' ? value.element : value
      view.push({
        path: path + name,
        type: (value.kind === 'array' ? '[]' : '') + definedName(element),
        present,
        nullable: present && field.type.kind === 'nullable' && version >= field.type.since,
        tag: present ? field.tag : undefined,
        default: declaredDefault(field, value),
        ignorable: field.ignorable === true,
      })
      if (element.kind === 'struct') walk(element.fields, `${path}${name}.`, present)
    }
  }
  walk(fields, '', true)
  return view
}

function definedName(type: WireType): string {
  if (type.kind === 'boolean') return 'bool'
  return type.kind.startsWith('int64') ? 'int64' : type.kind
}

function declaredDefault({ ifAbsent }: Field, type: WireType): string {
  if (ifAbsent !== undefined) return typeof ifAbsent === 'string' ? JSON.stringify(ifAbsent) : String(ifAbsent)
  switch (type.kind) {
    case 'array':
    case 'bytes':
      return '[]'
    case 'struct':
      return '{}'
    case 'string':
      return '""'
    case 'records':
      return 'null'
    case 'uuid':
      return 'zero'
    case 'boolean':
      return 'false'
    default:
      return '0'
  }
}
