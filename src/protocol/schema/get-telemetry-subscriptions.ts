import { array, boolean, defineApi, errorCode, int8, int32, string, uuid } from '../notation.ts'

// Asks which metrics the client should push, and how often.
export const getTelemetrySubscriptions = defineApi({
  key: 71,
  name: 'GetTelemetrySubscriptions',
  versions: '0',
  flexible: '0+',
  request: {
    clientInstanceId: { type: uuid, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    clientInstanceId: { type: uuid, since: 0 },
    subscriptionId: { type: int32, since: 0 },
    acceptedCompressionTypes: { type: array(int8), since: 0 },
    pushIntervalMs: { type: int32, since: 0 },
    telemetryMaxBytes: { type: int32, since: 0 },
    deltaTemporality: { type: boolean, since: 0 },
    requestedMetrics: { type: array(string), since: 0 },
  },
})
