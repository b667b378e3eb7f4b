import { array, boolean, bytes, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Describes classic groups and their members.
export const describeGroups = defineApi({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  request: {
    groups: { type: array(string), since: 0 },
    includeAuthorizedOperations: { type: boolean, since: 3 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    groups: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 6, ifAbsent: null },
          groupId: { type: string, since: 0 },
          groupState: { type: string, since: 0 },
          protocolType: { type: string, since: 0 },
          protocolData: { type: string, since: 0 },
          members: {
            type: array(
              struct({
                memberId: { type: string, since: 0 },
                groupInstanceId: { type: nullable(string), since: 4, ifAbsent: null, ignorable: true },
                clientId: { type: string, since: 0 },
                clientHost: { type: string, since: 0 },
                memberMetadata: { type: bytes, since: 0 },
                memberAssignment: { type: bytes, since: 0 },
              }),
            ),
            since: 0,
          },
          authorizedOperations: { type: int32, since: 3, ifAbsent: -0x8000_0000 },
        }),
      ),
      since: 0,
    },
  },
})
