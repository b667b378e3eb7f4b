import { array, defineRecord, int8, int32, string, struct, uuid } from '../notation.ts'

const topicPartitions = struct({
  topicId: { type: uuid, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

// What a share group's member is assigned at present.
export const shareGroupCurrentMemberAssignmentRecord = defineRecord({
  type: 14,
  name: 'ShareGroupCurrentMemberAssignment',
  key: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    memberEpoch: { type: int32, since: 0 },
    previousMemberEpoch: { type: int32, since: 0 },
    state: { type: int8, since: 0 },
    assignedPartitions: { type: array(topicPartitions), since: 0 },
  },
})
