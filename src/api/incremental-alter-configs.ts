import { incrementalAlterConfigs } from '../protocol/schema/incremental-alter-configs.ts'
import { alterAll } from './alter-answers.ts'
import type { ConfigParts } from './config-resources.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * IncrementalAlterConfigs v0-1: sets, deletes, appends to and subtracts from single configs of topics, brokers, the logger,
 * client metrics subscriptions and groups. Each resource changes whole or not at all; an answer is given when the change
 * is durable and in effect. Unlike Kafka it refuses broker configs that nothing here would read, and an operation that
 * does not exist is an INVALID_REQUEST for topics too.
 */
export function serveIncrementalAlterConfigs(parts: ConfigParts): ApiHandler {
  return serve(incrementalAlterConfigs, { min: 0, max: 1 }, async ({ resources, validateOnly }, context) => {
    const requests = resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      configs: configs.map(({ name, configOperation, value }) => ({ name, operation: configOperation, value })),
    }))
    return {
      throttleTimeMs: 0,
      responses: await alterAll(parts, requests, { replace: false, validateOnly }, context),
    }
  })
}
