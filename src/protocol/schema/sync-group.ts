import { array, bytes, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Hands the leader's assignments to a classic group's members.
export const syncGroup = defineApi({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: { type: string, since: 0 },
    generationId: { type: int32, since: 0 },
    memberId: { type: string, since: 0 },
    groupInstanceId: { type: nullable(string), since: 3, ifAbsent: null },
    protocolType: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
    protocolName: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
    assignments: {
      type: array(
        struct({
          memberId: { type: string, since: 0 },
          assignment: { type: bytes, since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    protocolType: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
    protocolName: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
    assignment: { type: bytes, since: 0 },
  },
})
