import {
  array,
  bytes,
  defineApi,
  errorCode,
  int32,
  int64,
  int64clamped,
  nullable,
  string,
  struct,
} from '../notation.ts'

// Creates a delegation token.
export const createDelegationToken = defineApi({
  key: 38,
  name: 'CreateDelegationToken',
  versions: '1-3',
  flexible: '2+',
  request: {
    ownerPrincipalType: { type: nullable(string), since: 3 },
    ownerPrincipalName: { type: nullable(string), since: 3 },
    renewers: {
      type: array(
        struct({
          principalType: { type: string, since: 0 },
          principalName: { type: string, since: 0 },
        }),
      ),
      since: 0,
    },
    maxLifetimeMs: { type: int64clamped, since: 0 },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    principalType: { type: string, since: 0 },
    principalName: { type: string, since: 0 },
    tokenRequesterPrincipalType: { type: string, since: 3 },
    tokenRequesterPrincipalName: { type: string, since: 3 },
    issueTimestampMs: { type: int64, since: 0 },
    expiryTimestampMs: { type: int64, since: 0 },
    maxTimestampMs: { type: int64, since: 0 },
    tokenId: { type: string, since: 0 },
    hmac: { type: bytes, since: 0 },
    throttleTimeMs: { type: int32, since: 0 },
  },
})
