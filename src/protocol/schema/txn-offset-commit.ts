import {
  array,
  defineApi,
  errorCode,
  int16,
  int32,
  int64clamped,
  int64exact,
  nullable,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Stores consumed offsets as part of a transaction.
export const txnOffsetCommit = defineApi({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-6',
  flexible: '3+',
  request: {
    transactionalId: { type: string, since: 0 },
    groupId: { type: string, since: 0 },
    producerId: { type: int64exact, since: 0 },
    producerEpoch: { type: int16, since: 0 },
    generationIdOrMemberEpoch: { type: int32, since: 3, ifAbsent: -1 },
    memberId: { type: string, since: 3 },
    groupInstanceId: { type: nullable(string), since: 3, ifAbsent: null },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 5, ignorable: true },
          topicId: { type: uuid, since: 6, ignorable: true },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                committedOffset: { type: int64clamped, since: 0 },
                committedLeaderEpoch: { type: int32, since: 2, ifAbsent: -1, ignorable: true },
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
    throttleTimeMs: { type: int32, since: 0 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 5, ignorable: true },
          topicId: { type: uuid, since: 6, ignorable: true },
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
