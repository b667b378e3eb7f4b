import { array, boolean, defineApi, errorCode, int32, nullable, string, struct, uint16, uuid } from '../notation.ts'

// Adds a voter to the metadata quorum.
export const addRaftVoter = defineApi({
  key: 80,
  name: 'AddRaftVoter',
  versions: '0-1',
  flexible: '0+',
  request: {
    clusterId: { type: nullable(string), since: 0 },
    timeoutMs: { type: int32, since: 0 },
    voterId: { type: int32, since: 0 },
    voterDirectoryId: { type: uuid, since: 0 },
    listeners: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          host: { type: string, since: 0 },
          port: { type: uint16, since: 0 },
        }),
      ),
      since: 0,
    },
    ackWhenCommitted: { type: boolean, since: 1, ifAbsent: true },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ignorable: true },
  },
})
