import { defineRecord, int32, int64exact, string } from '../notation.ts'

// A KIP-848 group's epoch.
export const consumerGroupMetadataRecord = defineRecord({
  type: 3,
  name: 'ConsumerGroupMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    epoch: { type: int32, since: 0 },
    metadataHash: { type: int64exact, since: 0, tag: 0 },
  },
})
