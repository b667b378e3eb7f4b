import { array, boolean, defineApi, errorCode, int32, int64, nullable, string, struct, uuid } from '../notation.ts'

// Reads a group's committed offsets; from version 8 on those of several groups.
export const offsetFetch = defineApi({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  request: {
    groupId: { type: string, since: 0, until: 7 },
    topics: {
      type: nullable(
        array(
          struct({
            name: { type: string, since: 0, until: 7 },
            partitionIndexes: { type: array(int32), since: 0, until: 7 },
          }),
        ),
        2,
      ),
      since: 0,
      until: 7,
    },
    groups: {
      type: array(
        struct({
          groupId: { type: string, since: 8 },
          memberId: { type: nullable(string), since: 9, ifAbsent: null, ignorable: true },
          memberEpoch: { type: int32, since: 9, ifAbsent: -1, ignorable: true },
          topics: {
            type: nullable(
              array(
                struct({
                  name: { type: string, since: 8, until: 9, ignorable: true },
                  topicId: { type: uuid, since: 10, ignorable: true },
                  partitionIndexes: { type: array(int32), since: 8 },
                }),
              ),
            ),
            since: 8,
          },
        }),
      ),
      since: 8,
    },
    requireStable: { type: boolean, since: 7 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 3, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 7 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0, until: 7 },
                committedOffset: { type: int64, since: 0, until: 7 },
                committedLeaderEpoch: { type: int32, since: 5, until: 7, ifAbsent: -1, ignorable: true },
                metadata: { type: nullable(string), since: 0, until: 7 },
                errorCode: { type: errorCode, since: 0, until: 7 },
              }),
            ),
            since: 0,
            until: 7,
          },
        }),
      ),
      since: 0,
      until: 7,
    },
    errorCode: { type: errorCode, since: 2, until: 7, ignorable: true },
    groups: {
      type: array(
        struct({
          groupId: { type: string, since: 8 },
          topics: {
            type: array(
              struct({
                name: { type: string, since: 8, until: 9, ignorable: true },
                topicId: { type: uuid, since: 10, ignorable: true },
                partitions: {
                  type: array(
                    struct({
                      partitionIndex: { type: int32, since: 8 },
                      committedOffset: { type: int64, since: 8 },
                      committedLeaderEpoch: { type: int32, since: 8, ifAbsent: -1, ignorable: true },
                      metadata: { type: nullable(string), since: 8 },
                      errorCode: { type: errorCode, since: 8 },
                    }),
                  ),
                  since: 8,
                },
              }),
            ),
            since: 8,
          },
          errorCode: { type: errorCode, since: 8 },
        }),
      ),
      since: 8,
    },
  },
})
