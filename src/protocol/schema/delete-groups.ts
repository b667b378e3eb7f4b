import { array, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Deletes empty groups with their offsets.
export const deleteGroups = defineApi({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-3',
  flexible: '2+',
  request: {
    groupsNames: { type: array(string), since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    results: {
      type: array(
        struct({
          groupId: { type: string, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 3, ifAbsent: null, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})
