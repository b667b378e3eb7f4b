// What consumers tell each other through the opaque bytes of JoinGroup and SyncGroup, in the protocol type "consumer".

import { array, bytes, defineMessage, int32, nullable, string, struct } from '../notation.ts'

export const consumerProtocolSubscription = defineMessage({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  flexible: 'none',
  fields: {
    topics: { type: array(string), since: 0 },
    userData: { type: nullable(bytes), since: 0, ifAbsent: null },
    ownedPartitions: {
      type: array(
        struct({
          topic: { type: string, since: 1 },
          partitions: { type: array(int32), since: 1 },
        }),
      ),
      since: 1,
      ignorable: true,
    },
    generationId: { type: int32, since: 2, ifAbsent: -1, ignorable: true },
    rackId: { type: nullable(string), since: 3, ifAbsent: null, ignorable: true },
  },
})

export const consumerProtocolAssignment = defineMessage({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  flexible: 'none',
  fields: {
    assignedPartitions: {
      type: array(
        struct({
          topic: { type: string, since: 0 },
          partitions: { type: array(int32), since: 0 },
        }),
      ),
      since: 0,
    },
    userData: { type: nullable(bytes), since: 0, ifAbsent: null },
  },
})
