import { array, defineRecord, int32, string, struct } from '../notation.ts'

const taskIds = struct({
  subtopologyId: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

// The tasks that a streams group's member is meant to own.
export const streamsGroupTargetAssignmentMemberRecord = defineRecord({
  type: 21,
  name: 'StreamsGroupTargetAssignmentMember',
  key: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    activeTasks: { type: array(taskIds), since: 0 },
    standbyTasks: { type: array(taskIds), since: 0 },
    warmupTasks: { type: array(taskIds), since: 0 },
  },
})
