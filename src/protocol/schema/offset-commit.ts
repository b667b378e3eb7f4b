import { array, defineApi, errorCode, int32, int64clamped, nullable, string, struct, uuid } from '../notation.ts'

// Stores the offsets that a group has consumed.
export const offsetCommit = defineApi({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: { type: string, since: 0 },
    generationIdOrMemberEpoch: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
    memberId: { type: string, since: 1, ignorable: true },
    groupInstanceId: { type: nullable(string), since: 7, ifAbsent: null },
    retentionTimeMs: { type: int64clamped, since: 2, until: 4, ifAbsent: -1, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 9, ignorable: true },
          topicId: { type: uuid, since: 10, ignorable: true },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                committedOffset: { type: int64clamped, since: 0 },
                committedLeaderEpoch: { type: int32, since: 6, ifAbsent: -1, ignorable: true },
                committedMetadata: { type: nullable(string), since: 0 },
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
    throttleTimeMs: { type: int32, since: 3, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 9, ignorable: true },
          topicId: { type: uuid, since: 10, ignorable: true },
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
