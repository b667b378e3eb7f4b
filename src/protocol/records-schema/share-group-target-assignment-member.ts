import { array, defineRecord, int32, string, struct, uuid } from '../notation.ts'

// What a share group's member is meant to be assigned.
export const shareGroupTargetAssignmentMemberRecord = defineRecord({
  type: 13,
  name: 'ShareGroupTargetAssignmentMember',
  key: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    topicPartitions: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: { type: array(int32), since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
