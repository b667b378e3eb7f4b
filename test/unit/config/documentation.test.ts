import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerDefinitions } from '../../../src/config/broker-definitions.ts'
import {
  brokerDocumentationOf,
  clientMetricsDocumentationOf,
  groupDocumentationOf,
  topicDocumentationOf,
} from '../../../src/config/documentation.ts'
import { clientMetricsDefinitions, groupDefinitions } from '../../../src/config/group-definitions.ts'
import { topicDefinitions } from '../../../src/config/topic-definitions.ts'

const tables = [
  [topicDefinitions, topicDocumentationOf],
  [brokerDefinitions, brokerDocumentationOf],
  [groupDefinitions, groupDocumentationOf],
  [clientMetricsDefinitions, clientMetricsDocumentationOf],
] as const

test('every config is explained in at least a sentence', () => {
  for (const [definitions, documentationOf] of tables)
    for (const name of definitions.keys()) assert.match(documentationOf(name) ?? '', /^.{15,}[.…)]$/, name)
})

test('no name is explained that is no config', () => {
  for (const [, documentationOf] of tables) assert.equal(documentationOf('no.such.name'), null)
})

test('a unit that differs from the topic config is said', () => {
  assert.match(brokerDocumentationOf('log.retention.hours') ?? '', /retention\.ms: In hours\./)
})
