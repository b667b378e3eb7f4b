import { defineRecord, int32, int64, string } from '../notation.ts'

// The epoch of a share group's target assignment.
export const shareGroupTargetAssignmentMetadataRecord = defineRecord({
  type: 12,
  name: 'ShareGroupTargetAssignmentMetadata',
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
