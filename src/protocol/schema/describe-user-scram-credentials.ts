import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Tells which SCRAM mechanisms users have credentials for.
export const describeUserScramCredentials = defineApi({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    users: {
      type: nullable(
        array(
          struct({
            name: { type: string, since: 0 },
          }),
        ),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    results: {
      type: array(
        struct({
          user: { type: string, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0 },
          credentialInfos: {
            type: array(
              struct({
                mechanism: { type: int8, since: 0 },
                iterations: { type: int32, since: 0 },
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
