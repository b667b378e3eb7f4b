import { array, defineRecord, int8, int32, nullable, string, struct, uuid } from '../notation.ts'

const topicPartitions = struct({
  topicId: { type: uuid, since: 0 },
  partitions: { type: array(int32), since: 0 },
  assignmentEpochs: { type: nullable(array(int32)), since: 0, tag: 0, ifAbsent: null },
})

// What a KIP-848 group's member owns at present, and what it still has to give up.
export const consumerGroupCurrentMemberAssignmentRecord = defineRecord({
  type: 8,
  name: 'ConsumerGroupCurrentMemberAssignment',
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
    partitionsPendingRevocation: { type: array(topicPartitions), since: 0 },
  },
})
