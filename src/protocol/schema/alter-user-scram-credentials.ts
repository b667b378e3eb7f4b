import { array, bytes, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Sets and removes SCRAM credentials.
export const alterUserScramCredentials = defineApi({
  key: 51,
  name: 'AlterUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    deletions: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          mechanism: { type: int8, since: 0 },
        }),
      ),
      since: 0,
    },
    upsertions: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          mechanism: { type: int8, since: 0 },
          iterations: { type: int32, since: 0 },
          salt: { type: bytes, since: 0 },
          saltedPassword: { type: bytes, since: 0 },
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
          user: { type: string, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
