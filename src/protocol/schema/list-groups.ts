import { array, defineApi, errorCode, int32, string, struct } from '../notation.ts'

// Lists the groups that a broker coordinates.
export const listGroups = defineApi({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: { type: array(string), since: 4 },
    typesFilter: { type: array(string), since: 5 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    groups: {
      type: array(
        struct({
          groupId: { type: string, since: 0 },
          protocolType: { type: string, since: 0 },
          groupState: { type: string, since: 4, ignorable: true },
          groupType: { type: string, since: 5, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})
