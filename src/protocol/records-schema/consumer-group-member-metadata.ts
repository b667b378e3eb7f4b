import { array, bytes, defineRecord, int32, nullable, string, struct } from '../notation.ts'

// What a KIP-848 group's member told of itself.
export const consumerGroupMemberMetadataRecord = defineRecord({
  type: 5,
  name: 'ConsumerGroupMemberMetadata',
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
    subscribedTopicNames: { type: array(string), since: 0 },
    subscribedTopicRegex: { type: nullable(string), since: 0 },
    rebalanceTimeoutMs: { type: int32, since: 0, ifAbsent: -1 },
    serverAssignor: { type: nullable(string), since: 0 },
    classicMemberMetadata: {
      type: nullable(
        struct({
          sessionTimeoutMs: { type: int32, since: 0 },
          supportedProtocols: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                metadata: { type: bytes, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
      tag: 0,
      ifAbsent: null,
    },
  },
})
