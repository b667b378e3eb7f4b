import { array, bytes, defineRecord, int32, int64, nullable, string, struct } from '../notation.ts'

const memberMetadata = struct({
  memberId: { type: string, since: 0 },
  groupInstanceId: { type: nullable(string), since: 3, ifAbsent: null, ignorable: true },
  clientId: { type: string, since: 0 },
  clientHost: { type: string, since: 0 },
  rebalanceTimeout: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
  sessionTimeout: { type: int32, since: 0 },
  subscription: { type: bytes, since: 0 },
  assignment: { type: bytes, since: 0 },
})

// A classic group with all its members.
export const groupMetadataRecord = defineRecord({
  type: 2,
  name: 'GroupMetadata',
  key: {
    group: { type: string, since: 0 },
  },
  versions: '0-4',
  flexible: '4+',
  value: {
    protocolType: { type: string, since: 0 },
    generation: { type: int32, since: 0 },
    protocol: { type: nullable(string), since: 0 },
    leader: { type: nullable(string), since: 0 },
    currentStateTimestamp: { type: int64, since: 2, ifAbsent: -1, ignorable: true },
    members: { type: array(memberMetadata), since: 0 },
  },
})
