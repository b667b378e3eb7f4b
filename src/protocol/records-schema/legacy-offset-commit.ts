import { defineRecord, int32, int64, string } from '../notation.ts'

// A committed offset as the first brokers wrote it.
export const legacyOffsetCommitRecord = defineRecord({
  type: 0,
  name: 'LegacyOffsetCommit',
  key: {
    group: { type: string, since: 0 },
    topic: { type: string, since: 0 },
    partition: { type: int32, since: 0 },
  },
  versions: '0',
  flexible: 'none',
  value: {
    offset: { type: int64, since: 0 },
    metadata: { type: string, since: 0 },
    commitTimestamp: { type: int64, since: 0 },
  },
})
