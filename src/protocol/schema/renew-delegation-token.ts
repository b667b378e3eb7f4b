import { bytes, defineApi, errorCode, int32, int64, int64clamped } from '../notation.ts'

// Prolongs a delegation token.
export const renewDelegationToken = defineApi({
  key: 39,
  name: 'RenewDelegationToken',
  versions: '1-2',
  flexible: '2+',
  request: {
    hmac: { type: bytes, since: 0 },
    renewPeriodMs: { type: int64clamped, since: 0 },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    expiryTimestampMs: { type: int64, since: 0 },
    throttleTimeMs: { type: int32, since: 0 },
  },
})
