import { array, defineRecord, nullable, string } from '../notation.ts'

// What a share group's member told of itself.
export const shareGroupMemberMetadataRecord = defineRecord({
  type: 10,
  name: 'ShareGroupMemberMetadata',
  key: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    rackId: { type: nullable(string), since: 0 },
    clientId: { type: string, since: 0 },
    clientHost: { type: string, since: 0 },
    subscribedTopicNames: { type: array(string), since: 0 },
  },
})
