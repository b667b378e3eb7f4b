import { ConfigOperation } from '../config/change.ts'
import { alterConfigs } from '../protocol/schema/alter-configs.ts'
import { alterAll } from './alter-answers.ts'
import type { ConfigParts } from './config-resources.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * AlterConfigs v0-2: what is named becomes all that a resource has, the rest falls back to its default. Otherwise as
 * IncrementalAlterConfigs; it does not know loggers.
 */
export function serveAlterConfigs(parts: ConfigParts): ApiHandler {
  return serve(alterConfigs, { min: 0, max: 2 }, async ({ resources, validateOnly }, context) => {
    const requests = resources.map(({ resourceType, resourceName, configs }) => ({
      resourceType,
      resourceName,
      configs: configs.map(({ name, value }) => ({ name, operation: ConfigOperation.set, value })),
    }))
    return {
      throttleTimeMs: 0,
      responses: await alterAll(parts, requests, { replace: true, validateOnly }, context),
    }
  })
}
