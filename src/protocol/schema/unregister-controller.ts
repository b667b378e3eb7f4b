import { defineApi, errorCode, int32, nullable, string } from '../notation.ts'

// Removes a controller's registration from the cluster.
export const unregisterController = defineApi({
  key: 94,
  name: 'UnregisterController',
  versions: '0',
  flexible: '0+',
  request: {
    controllerId: { type: int32, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
  },
})
