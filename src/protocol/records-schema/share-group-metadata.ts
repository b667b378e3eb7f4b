import { defineRecord, int32, int64exact, string } from '../notation.ts'

// A share group's epoch.
export const shareGroupMetadataRecord = defineRecord({
  type: 11,
  name: 'ShareGroupMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    epoch: { type: int32, since: 0 },
    metadataHash: { type: int64exact, since: 0 },
  },
})
