import { bytes, defineApi, errorCode, int64, nullable, string } from '../notation.ts'

// Carries one step of the SASL exchange.
export const saslAuthenticate = defineApi({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: { type: bytes, since: 0 },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    authBytes: { type: bytes, since: 0 },
    sessionLifetimeMs: { type: int64, since: 1, ignorable: true },
  },
})
