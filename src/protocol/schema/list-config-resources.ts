import { array, defineApi, errorCode, int8, int32, string, struct } from '../notation.ts'

// Lists the resources that have a configuration of their own.
export const listConfigResources = defineApi({
  key: 74,
  name: 'ListConfigResources',
  versions: '0-1',
  flexible: '0+',
  request: {
    resourceTypes: { type: array(int8), since: 1 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    configResources: {
      type: array(
        struct({
          resourceName: { type: string, since: 0 },
          resourceType: { type: int8, since: 1, ifAbsent: 16, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})
