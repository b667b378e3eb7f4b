import { array, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Takes members out of a classic group.
export const leaveGroup = defineApi({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0, until: 2 },
    members: {
      type: array(
        struct({
          memberId: { type: string, since: 3 },
          groupInstanceId: { type: nullable(string), since: 3, ifAbsent: null },
          reason: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
        }),
      ),
      since: 3,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    members: {
      type: array(
        struct({
          memberId: { type: string, since: 3 },
          groupInstanceId: { type: nullable(string), since: 3 },
          errorCode: { type: errorCode, since: 3 },
        }),
      ),
      since: 3,
    },
  },
})
