import { defineRecord, int32, int64, string } from '../notation.ts'

// The epoch of a KIP-848 group's target assignment.
export const consumerGroupTargetAssignmentMetadataRecord = defineRecord({
  type: 6,
  name: 'ConsumerGroupTargetAssignmentMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    assignmentEpoch: { type: int32, since: 0 },
    assignmentTimestamp: { type: int64, since: 0, tag: 0, ignorable: true },
  },
})
