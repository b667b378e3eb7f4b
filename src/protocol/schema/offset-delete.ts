import { array, defineApi, errorCode, int32, string, struct } from '../notation.ts'

// Deletes a group's committed offsets of topics it is not subscribed to.
export const offsetDelete = defineApi({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  flexible: 'none',
  request: {
    groupId: { type: string, since: 0 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
  response: {
    errorCode: { type: errorCode, since: 0 },
    throttleTimeMs: { type: int32, since: 0, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
})
