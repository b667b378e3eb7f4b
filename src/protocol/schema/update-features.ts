import { array, boolean, defineApi, errorCode, int8, int16, int32, nullable, string, struct } from '../notation.ts'

// Changes the finalized feature levels of the cluster.
export const updateFeatures = defineApi({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  request: {
    timeoutMs: { type: int32, since: 0, ifAbsent: 60000 },
    featureUpdates: {
      type: array(
        struct({
          feature: { type: string, since: 0 },
          maxVersionLevel: { type: int16, since: 0 },
          allowDowngrade: { type: boolean, since: 0, until: 0 },
          upgradeType: { type: int8, since: 1, ifAbsent: 1 },
        }),
      ),
      since: 0,
    },
    validateOnly: { type: boolean, since: 1 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    results: {
      type: array(
        struct({
          feature: { type: string, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
        }),
      ),
      since: 0,
      until: 1,
      ignorable: true,
    },
  },
})
