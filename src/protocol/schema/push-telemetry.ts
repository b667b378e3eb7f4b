import { boolean, bytes, defineApi, errorCode, int8, int32, uuid } from '../notation.ts'

// Carries the client's metrics.
export const pushTelemetry = defineApi({
  key: 72,
  name: 'PushTelemetry',
  versions: '0',
  flexible: '0+',
  request: {
    clientInstanceId: { type: uuid, since: 0 },
    subscriptionId: { type: int32, since: 0 },
    terminating: { type: boolean, since: 0 },
    compressionType: { type: int8, since: 0 },
    metrics: { type: bytes, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
  },
})
