import { array, defineApi, errorCode, int32, int64, nullable, string, struct, uuid } from '../notation.ts'

// Reads the start offsets of a share group.
export const describeShareGroupOffsets = defineApi({
  key: 90,
  name: 'DescribeShareGroupOffsets',
  versions: '0-1',
  flexible: '0+',
  request: {
    groups: {
      type: array(
        struct({
          groupId: { type: string, since: 0 },
          topics: {
            type: nullable(
              array(
                struct({
                  topicName: { type: string, since: 0 },
                  partitions: { type: array(int32), since: 0 },
                }),
              ),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    groups: {
      type: array(
        struct({
          groupId: { type: string, since: 0 },
          topics: {
            type: array(
              struct({
                topicName: { type: string, since: 0 },
                topicId: { type: uuid, since: 0 },
                partitions: {
                  type: array(
                    struct({
                      partitionIndex: { type: int32, since: 0 },
                      startOffset: { type: int64, since: 0 },
                      leaderEpoch: { type: int32, since: 0 },
                      lag: { type: int64, since: 1, ifAbsent: -1, ignorable: true },
                      errorCode: { type: errorCode, since: 0 },
                      errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
                    }),
                  ),
                  since: 0,
                },
              }),
            ),
            since: 0,
          },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
        }),
      ),
      since: 0,
    },
  },
})
