import { ConfigResourceType } from '../config/resources.ts'
import type { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import type { ClusterImage } from '../metadata/image.ts'
import { ErrorCode } from '../protocol/index.ts'
import { listConfigResources } from '../protocol/schema/list-config-resources.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * ListConfigResources v0-1: what has configs, of the kinds that are asked for, none meaning all. v0 knows only client
 * metrics subscriptions. Topics and brokers always have some; subscriptions and groups when some were set.
 */
export function serveListConfigResources(parts: {
  nodeId: number
  image: ClusterImage
  dynamic: DynamicConfigs
}): ApiHandler {
  const { topic, broker, brokerLogger, clientMetrics, group } = ConfigResourceType
  const everything = [group, clientMetrics, brokerLogger, broker, topic]
  const namesOf: Record<number, () => Iterable<string>> = {
    [group]: () => parts.dynamic.names('group'),
    [clientMetrics]: () => parts.dynamic.names('client-metrics'),
    [brokerLogger]: () => [String(parts.nodeId)],
    [broker]: () => [String(parts.nodeId)],
    // A list of its own: topics may come and go between two turns.
    [topic]: () => [...parts.image.topics()].map(({ name }) => name),
  }
  return serve(listConfigResources, { min: 0, max: 1 }, async (request, context) => {
    const askedTypes = context.apiVersion === 0 ? [clientMetrics] : new Set<number>(request.resourceTypes)
    const types = [...askedTypes].length === 0 ? everything : [...askedTypes]
    if (types.some(type => !Object.hasOwn(namesOf, type)))
      return { throttleTimeMs: 0, errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] }
    const share = new TurnShare(context)
    const configResources: { resourceName: string; resourceType: number }[] = []
    for (const resourceType of types)
      for (const resourceName of namesOf[resourceType]!()) {
        const due = share.spend()
        if (due !== undefined) await due
        configResources.push({ resourceName, resourceType })
      }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, configResources }
  })
}
