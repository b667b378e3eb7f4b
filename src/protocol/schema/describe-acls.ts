import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Lists the access control entries that match a filter.
export const describeAcls = defineApi({
  key: 29,
  name: 'DescribeAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    resourceTypeFilter: { type: int8, since: 0 },
    resourceNameFilter: { type: nullable(string), since: 0 },
    patternTypeFilter: { type: int8, since: 1, ifAbsent: 3 },
    principalFilter: { type: nullable(string), since: 0 },
    hostFilter: { type: nullable(string), since: 0 },
    operation: { type: int8, since: 0 },
    permissionType: { type: int8, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    resources: {
      type: array(
        struct({
          resourceType: { type: int8, since: 0 },
          resourceName: { type: string, since: 0 },
          patternType: { type: int8, since: 1, ifAbsent: 3 },
          acls: {
            type: array(
              struct({
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
