import type { Logger } from '../base/logger.ts'
import { type FeatureUpdate, UpgradeType } from '../metadata/feature-updates.ts'
import type { FeatureLevels } from '../metadata/features.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { updateFeatures } from '../protocol/schema/update-features.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * UpdateFeatures v0-2: changes the finalized levels of all features that are named, or of none. When it is answered the
 * change is durable, and ApiVersions tells it. v0 may only allow a downgrade; from v1 the kind of change is named and can
 * be tried (`validateOnly`); to v1 each feature gets a result of its own when all succeeded.
 */
export function serveUpdateFeatures(features: FeatureLevels, nodeId: number, logger: Logger): ApiHandler {
  return serve(updateFeatures, { min: 0, max: 2 }, async ({ featureUpdates, validateOnly }, { apiVersion }) => {
    if (featureUpdates.length > maxUpdates)
      return refused(ErrorCode.INVALID_REQUEST, `One request may update ${maxUpdates} features at most.`)
    const updates = featureUpdates.map(update => asUpdate(update, apiVersion))
    try {
      const changed = await features.change(updates, nodeId, validateOnly)
      if (!changed.ok)
        return refused(
          ErrorCode.INVALID_UPDATE_VERSION,
          `The update failed for all features since the following feature had an error: ${changed.error}`,
        )
    } catch (error) {
      logger.error({ error: String(error) }, 'feature levels could not be changed')
      return refused(ErrorCode.FEATURE_UPDATE_FAILED, 'The levels could not be written to the metadata log.')
    }
    if (!validateOnly && updates.length > 0)
      logger.info(
        { levels: Object.fromEntries(updates.map(({ name, level }) => [name, level])) },
        'feature levels changed',
      )
    const none = { errorCode: ErrorCode.NONE, errorMessage: null }
    const results = featureUpdates.map(({ feature }) => ({ feature, ...none }))
    return { throttleTimeMs: 0, ...none, ...(apiVersion <= lastVersionOfResults ? { results } : {}) }
  })
}

const lastVersionOfResults = 1
/** All are decided on in one turn; Kafka has a tenth of that. */
const maxUpdates = 100

function asUpdate(
  update: RequestOf<typeof updateFeatures>['featureUpdates'][number],
  apiVersion: number,
): FeatureUpdate {
  const named = apiVersion >= 1 ? update.upgradeType : undefined
  const allowed = update.allowDowngrade ? UpgradeType.safeDowngrade : UpgradeType.upgrade
  return { name: update.feature, level: update.maxVersionLevel, upgradeType: named ?? allowed }
}

const refused = (errorCode: ErrorCode, errorMessage: string): ResponseInput<typeof updateFeatures> => ({
  throttleTimeMs: 0,
  errorCode,
  errorMessage,
  results: [],
})
