import { array, defineRecord, int32, int64exact, nullable, string, struct } from '../notation.ts'

const lastAssignmentConfig = struct({
  key: { type: string, since: 0 },
  value: { type: string, since: 0 },
})

// A streams group's epoch.
export const streamsGroupMetadataRecord = defineRecord({
  type: 17,
  name: 'StreamsGroupMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    epoch: { type: int32, since: 0 },
    metadataHash: { type: int64exact, since: 0 },
    validatedTopologyEpoch: { type: int32, since: 0, tag: 0, ifAbsent: -1 },
    lastAssignmentConfigs: { type: nullable(array(lastAssignmentConfig)), since: 0, tag: 1, ifAbsent: null },
    storedDescriptionTopologyEpoch: { type: int32, since: 0, tag: 2, ifAbsent: -1 },
    failedDescriptionTopologyEpoch: { type: int32, since: 0, tag: 3, ifAbsent: -1 },
  },
})
