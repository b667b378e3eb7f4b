import { defineRecord, int32, int64, string } from '../notation.ts'

// The epoch of a streams group's target assignment.
export const streamsGroupTargetAssignmentMetadataRecord = defineRecord({
  type: 20,
  name: 'StreamsGroupTargetAssignmentMetadata',
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
