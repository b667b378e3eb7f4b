import { bytes, defineApi, errorCode, int32, int64, int64clamped } from '../notation.ts'

// Changes when a delegation token expires.
export const expireDelegationToken = defineApi({
  key: 40,
  name: 'ExpireDelegationToken',
  versions: '1-2',
  flexible: '2+',
  request: {
    hmac: { type: bytes, since: 0 },
    expiryTimePeriodMs: { type: int64clamped, since: 0 },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    expiryTimestampMs: { type: int64, since: 0 },
    throttleTimeMs: { type: int32, since: 0 },
  },
})
