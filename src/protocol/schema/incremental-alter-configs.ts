import { array, boolean, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Changes single configuration values: set, delete, append, subtract.
export const incrementalAlterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: '0-1',
  flexible: '1+',
  request: {
    resources: {
      type: array(
        struct({
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
          configs: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                configOperation: { type: int8, since: 0 },
                value: { type: nullable(string), since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    validateOnly: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    responses: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
