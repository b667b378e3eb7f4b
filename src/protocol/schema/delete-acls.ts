import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Removes the access control entries that match filters.
export const deleteAcls = defineApi({
  key: 31,
  name: 'DeleteAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    filters: {
      type: array(
        struct({
          resourceTypeFilter: { type: int8, since: 0 },
          resourceNameFilter: { type: nullable(string), since: 0 },
          patternTypeFilter: { type: int8, since: 1, ifAbsent: 3 },
          principalFilter: { type: nullable(string), since: 0 },
          hostFilter: { type: nullable(string), since: 0 },
          operation: { type: int8, since: 0 },
          permissionType: { type: int8, since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    filterResults: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
          matchingAcls: {
            type: array(
              struct({
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 0 },
                resourceType: { type: int8, since: 0 },
                resourceName: { type: string, since: 0 },
                patternType: { type: int8, since: 1, ifAbsent: 3 },
                principal: { type: string, since: 0 },
                host: { type: string, since: 0 },
                operation: { type: int8, since: 0 },
                permissionType: { type: int8, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
})
