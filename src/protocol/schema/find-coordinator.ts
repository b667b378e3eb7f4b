import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Finds the broker that coordinates a group, a transactional id or a share partition.
export const findCoordinator = defineApi({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: { type: string, since: 0, until: 3 },
    keyType: { type: int8, since: 1 },
    coordinatorKeys: { type: array(string), since: 4 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 0, until: 3 },
    errorMessage: { type: nullable(string), since: 1, until: 3, ignorable: true },
    nodeId: { type: int32, since: 0, until: 3 },
    host: { type: string, since: 0, until: 3 },
    port: { type: int32, since: 0, until: 3 },
    coordinators: {
      type: array(
        struct({
          key: { type: string, since: 4 },
          nodeId: { type: int32, since: 4 },
          host: { type: string, since: 4 },
          port: { type: int32, since: 4 },
          errorCode: { type: errorCode, since: 4 },
          errorMessage: { type: nullable(string), since: 4, ignorable: true },
        }),
      ),
      since: 4,
    },
  },
})
