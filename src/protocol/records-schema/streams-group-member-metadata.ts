import { array, defineRecord, int32, nullable, string, struct, uint16 } from '../notation.ts'

const endpoint = struct({
  host: { type: string, since: 0 },
  port: { type: uint16, since: 0 },
})

const keyValue = struct({
  key: { type: string, since: 0 },
  value: { type: string, since: 0 },
})

// What a streams group's member told of itself.
export const streamsGroupMemberMetadataRecord = defineRecord({
  type: 19,
  name: 'StreamsGroupMemberMetadata',
  key: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    instanceId: { type: nullable(string), since: 0 },
    rackId: { type: nullable(string), since: 0 },
    clientId: { type: string, since: 0 },
    clientHost: { type: string, since: 0 },
    rebalanceTimeoutMs: { type: int32, since: 0, ifAbsent: -1 },
    topologyEpoch: { type: int32, since: 0 },
    processId: { type: string, since: 0 },
    userEndpoint: { type: nullable(endpoint), since: 0, ifAbsent: null },
    clientTags: { type: array(keyValue), since: 0 },
  },
})
