import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Adds access control entries.
export const createAcls = defineApi({
  key: 30,
  name: 'CreateAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    creations: {
      type: array(
        struct({
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
          resourcePatternType: { type: int8, since: 1, ifAbsent: 3 },
          principal: { type: string, since: 0 },
          host: { type: string, since: 0 },
          operation: { type: int8, since: 0 },
          permissionType: { type: int8, since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    results: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
