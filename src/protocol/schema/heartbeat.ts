import { defineApi, errorCode, int32, nullable, string } from '../notation.ts'

// Keeps a classic group's member alive and tells it of a rebalance.
export const heartbeat = defineApi({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: { type: string, since: 0 },
    generationId: { type: int32, since: 0 },
    memberId: { type: string, since: 0 },
    groupInstanceId: { type: nullable(string), since: 3, ifAbsent: null },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
  },
})
