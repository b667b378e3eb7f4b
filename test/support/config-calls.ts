import type { RequestInput, ResponseOf } from '../../src/protocol/index.ts'
import { alterConfigs } from '../../src/protocol/schema/alter-configs.ts'
import { describeConfigs } from '../../src/protocol/schema/describe-configs.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import type { TestClient } from './test-client.ts'

/** What configs belong to, in Kafka's numbers; written out here so that tests do not share the broker's table. */
export const resource = { topic: 2, broker: 4, logger: 8, metrics: 16, group: 32 } as const
export const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

type Described = ResponseOf<typeof describeConfigs>['results'][number]['configs'][number]

/** The error and the configs by name of one resource. */
export async function describe(
  client: TestClient,
  resourceType: number,
  resourceName: string,
  more: { keys?: string[] | null; version?: number; synonyms?: boolean; documentation?: boolean } = {},
): Promise<{ code: number; message: string | null; configs: Map<string, Described> }> {
  const { keys = null, version = 4, synonyms = true, documentation = false } = more
  const { results } = await client.call(describeConfigs, version, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: synonyms,
    ...(version >= 3 ? { includeDocumentation: documentation } : {}),
  })
  const [result] = results
  return {
    code: result!.errorCode,
    message: result!.errorMessage,
    configs: new Map(result!.configs.map(config => [config.name, config])),
  }
}

export async function configOf(client: TestClient, type: number, name: string, config: string): Promise<string | null> {
  return (await describe(client, type, name, { keys: [config] })).configs.get(config)?.value ?? null
}

export type Change = readonly [name: string, operation: number, value: string | null]

export const changes = (resourceType: number, resourceName: string, list: readonly Change[]) => ({
  resourceType,
  resourceName,
  configs: list.map(([name, configOperation, value]) => ({ name, configOperation, value })),
})

/** IncrementalAlterConfigs of some resources: code and message of each. */
export async function change(
  client: TestClient,
  resources: RequestInput<typeof incrementalAlterConfigs>['resources'],
  { validateOnly = false, version = 1 } = {},
): Promise<[code: number, message: string | null][]> {
  const { responses } = await client.call(incrementalAlterConfigs, version, { resources, validateOnly })
  return responses.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])
}

/** Sets configs of one resource, and expects that to succeed. */
export async function set(
  client: TestClient,
  type: number,
  name: string,
  configs: Record<string, string>,
): Promise<void> {
  const list = Object.entries(configs).map(([key, value]): Change => [key, operation.set, value])
  const [[code, message]] = (await change(client, [changes(type, name, list)])) as [[number, string | null]]
  if (code !== 0) throw new Error(`${code} ${message}`)
}

/** AlterConfigs of one resource: code and message. */
export async function replace(
  client: TestClient,
  resourceType: number,
  resourceName: string,
  configs: Record<string, string | null>,
  { validateOnly = false, version = 2 } = {},
): Promise<[code: number, message: string | null]> {
  const list = Object.entries(configs).map(([name, value]) => ({ name, value }))
  const { responses } = await client.call(alterConfigs, version, {
    resources: [{ resourceType, resourceName, configs: list }],
    validateOnly,
  })
  return [responses[0]!.errorCode, responses[0]!.errorMessage]
}
