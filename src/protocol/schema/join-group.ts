import { array, boolean, bytes, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Enters a classic group's rebalance; the leader's answer lists all members.
export const joinGroup = defineApi({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: { type: string, since: 0 },
    sessionTimeoutMs: { type: int32, since: 0 },
    rebalanceTimeoutMs: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
    memberId: { type: string, since: 0 },
    groupInstanceId: { type: nullable(string), since: 5, ifAbsent: null },
    protocolType: { type: string, since: 0 },
    protocols: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          metadata: { type: bytes, since: 0 },
        }),
      ),
      since: 0,
    },
    reason: { type: nullable(string), since: 8, ifAbsent: null, ignorable: true },
  },
  response: {
    throttleTimeMs: { type: int32, since: 2, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    generationId: { type: int32, since: 0, ifAbsent: -1 },
    protocolType: { type: nullable(string), since: 7, ifAbsent: null, ignorable: true },
    protocolName: { type: nullable(string, 7), since: 0 },
    leader: { type: string, since: 0 },
    skipAssignment: { type: boolean, since: 9 },
    memberId: { type: string, since: 0 },
    members: {
      type: array(
        struct({
          memberId: { type: string, since: 0 },
          groupInstanceId: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
          metadata: { type: bytes, since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
