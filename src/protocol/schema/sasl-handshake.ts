import { array, defineApi, errorCode, string } from '../notation.ts'

// Chooses the SASL mechanism of a connection.
export const saslHandshake = defineApi({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  flexible: 'none',
  request: {
    mechanism: { type: string, since: 0 },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    mechanisms: { type: array(string), since: 0 },
  },
})
