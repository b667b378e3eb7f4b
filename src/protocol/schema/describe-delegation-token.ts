import { array, bytes, defineApi, errorCode, int32, int64, nullable, string, struct } from '../notation.ts'

// Lists delegation tokens by owner.
export const describeDelegationToken = defineApi({
  key: 41,
  name: 'DescribeDelegationToken',
  versions: '1-3',
  flexible: '2+',
  request: {
    owners: {
      type: nullable(
        array(
          struct({
            principalType: { type: string, since: 0 },
            principalName: { type: string, since: 0 },
          }),
        ),
      ),
      since: 0,
    },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    tokens: {
      type: array(
        struct({
          principalType: { type: string, since: 0 },
          principalName: { type: string, since: 0 },
          tokenRequesterPrincipalType: { type: string, since: 3 },
          tokenRequesterPrincipalName: { type: string, since: 3 },
          issueTimestamp: { type: int64, since: 0 },
          expiryTimestamp: { type: int64, since: 0 },
          maxTimestamp: { type: int64, since: 0 },
          tokenId: { type: string, since: 0 },
          hmac: { type: bytes, since: 0 },
          renewers: {
            type: array(
              struct({
                principalType: { type: string, since: 0 },
                principalName: { type: string, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    throttleTimeMs: { type: int32, since: 0 },
  },
})
