import { type FeatureLevels, supportedFeatures } from '../metadata/features.ts'
import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { apiVersions } from '../protocol/schema/api-versions.ts'
import { LazyHandler, type ServedApi, servedKey } from './lazy.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * ApiVersions v0-5: what this broker serves, computed from its handlers. From v3 the client names its software (checked,
 * KIP-511); v5 checks that the client reached the node it meant (KIP-1242). An unknown version is answered in the layout
 * of v0 with UNSUPPORTED_VERSION and the range of this API (KIP-511), so that any client can start over.
 */
export interface BrokerIdentity {
  readonly clusterId: string
  readonly nodeId: number
}

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export function serveApiVersions(
  handlers: () => readonly ServedApi[],
  identity: BrokerIdentity,
  features: Levels,
): ApiHandler {
  return serve(apiVersions, { min: 0, max: 5 }, (request, context) => {
    const { apiVersion } = context
    if (apiVersion >= 3) {
      const { clientSoftwareName, clientSoftwareVersion } = request
      if (!softwareName.test(clientSoftwareName) || !softwareName.test(clientSoftwareVersion))
        return { errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] }
      context.clientSoftware = { name: clientSoftwareName, version: clientSoftwareVersion }
    }
    if (apiVersion >= 5 && request.clusterId !== null && request.nodeId !== -1) {
      if (request.clusterId !== identity.clusterId || request.nodeId !== identity.nodeId)
        return { errorCode: ErrorCode.REBOOTSTRAP_REQUIRED, apiKeys: [] }
    }
    return { errorCode: ErrorCode.NONE, apiKeys: advertised(handlers()), ...told(features, apiVersion) }
  })
}

/** The answer to an ApiVersions request of a version that is not served; encoded as v0. */
export function unsupportedApiVersions(): ResponseInput<typeof apiVersions> {
  const { min, max } = apiVersions.versions
  return {
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: apiVersions.key, minVersion: min, maxVersion: max }],
  }
}

type Levels = Pick<FeatureLevels, 'finalized' | 'epoch'>

/** Clients before v4 take a lowest level of 0 for a broken answer. */
const firstVersionOfLevelZero = 4

function told(features: Levels, apiVersion: number) {
  return {
    supportedFeatures: supportedFeatures
      .filter(({ min }) => min > 0 || apiVersion >= firstVersionOfLevelZero)
      .map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
    finalizedFeaturesEpoch: features.epoch,
    finalizedFeatures: features.finalized.map(({ name, level }) => ({
      name,
      minVersionLevel: level,
      maxVersionLevel: level,
    })),
  }
}

function advertised(handlers: readonly ServedApi[]): { apiKey: number; minVersion: number; maxVersion: number }[] {
  return handlers
    .map(served => ({
      apiKey: servedKey(served),
      minVersion: served instanceof LazyHandler ? served.min : served.advertisedMin,
      maxVersion: served.max,
    }))
    .sort((a, b) => a.apiKey - b.apiKey)
}
