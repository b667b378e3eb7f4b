import { defineRecord, int32, int64, string, uuid } from '../notation.ts'

// A committed offset.
export const offsetCommitRecord = defineRecord({
  type: 1,
  name: 'OffsetCommit',
  key: {
    group: { type: string, since: 0 },
    topic: { type: string, since: 0 },
    partition: { type: int32, since: 0 },
  },
  versions: '0-4',
  flexible: '4+',
  value: {
    offset: { type: int64, since: 0 },
    leaderEpoch: { type: int32, since: 3, ifAbsent: -1, ignorable: true },
    metadata: { type: string, since: 0 },
    commitTimestamp: { type: int64, since: 0 },
    expireTimestamp: { type: int64, since: 1, until: 1, ifAbsent: -1, ignorable: true },
    topicId: { type: uuid, since: 4, tag: 0, ignorable: true },
  },
})
