import { array, defineRecord, int8, int32, nullable, string, struct } from '../notation.ts'

const taskIds = struct({
  subtopologyId: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
  assignmentEpochs: { type: nullable(array(int32)), since: 0, tag: 0, ifAbsent: null },
})

// The tasks that a streams group's member owns at present.
export const streamsGroupCurrentMemberAssignmentRecord = defineRecord({
  type: 22,
  name: 'StreamsGroupCurrentMemberAssignment',
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
    activeTasks: { type: array(taskIds), since: 0 },
    standbyTasks: { type: array(taskIds), since: 0 },
    warmupTasks: { type: array(taskIds), since: 0 },
    activeTasksPendingRevocation: { type: array(taskIds), since: 0 },
    standbyTasksPendingRevocation: { type: array(taskIds), since: 0 },
    warmupTasksPendingRevocation: { type: array(taskIds), since: 0 },
  },
})
