import { array, boolean, defineApi, errorCode, int16, int32, int64, nullable, string, struct } from '../notation.ts'

// Tells which APIs, versions and features the broker serves. Sent before anything else is known of the broker.
export const apiVersions = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: '0-5',
  flexible: '3+',
  request: {
    clientSoftwareName: { type: string, since: 3, ignorable: true },
    clientSoftwareVersion: { type: string, since: 3, ignorable: true },
    clusterId: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
    nodeId: { type: int32, since: 5, ifAbsent: -1, ignorable: true },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    apiKeys: {
      type: array(
        struct({
          apiKey: { type: int16, since: 0 },
          minVersion: { type: int16, since: 0 },
          maxVersion: { type: int16, since: 0 },
        }),
      ),
      since: 0,
    },
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    supportedFeatures: {
      type: array(
        struct({
          name: { type: string, since: 3 },
          minVersion: { type: int16, since: 3 },
          maxVersion: { type: int16, since: 3 },
        }),
      ),
      since: 3,
      tag: 0,
      ignorable: true,
    },
    finalizedFeaturesEpoch: { type: int64, since: 3, tag: 1, ifAbsent: -1, ignorable: true },
    finalizedFeatures: {
      type: array(
        struct({
          name: { type: string, since: 3 },
          maxVersionLevel: { type: int16, since: 3 },
          minVersionLevel: { type: int16, since: 3 },
        }),
      ),
      since: 3,
      tag: 2,
      ignorable: true,
    },
    zkMigrationReady: { type: boolean, since: 3, tag: 3, ignorable: true },
  },
})
