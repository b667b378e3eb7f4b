import { defineApi, errorCode, int32, nullable, string, uuid } from '../notation.ts'

// Removes a voter from the metadata quorum.
export const removeRaftVoter = defineApi({
  key: 81,
  name: 'RemoveRaftVoter',
  versions: '0',
  flexible: '0+',
  request: {
    clusterId: { type: nullable(string), since: 0 },
    voterId: { type: int32, since: 0 },
    voterDirectoryId: { type: uuid, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ignorable: true },
  },
})
