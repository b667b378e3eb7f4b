import { array, defineRecord, int8, int16, int32, int64, string, struct, uuid } from '../notation.ts'

// A change of a share partition's state since its last snapshot.
export const shareUpdateRecord = defineRecord({
  type: 1,
  name: 'ShareUpdate',
  key: {
    groupId: { type: string, since: 0 },
    topicId: { type: uuid, since: 0 },
    partition: { type: int32, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    snapshotEpoch: { type: int32, since: 0 },
    leaderEpoch: { type: int32, since: 0 },
    startOffset: { type: int64, since: 0 },
    deliveryCompleteCount: { type: int32, since: 0, tag: 0, ifAbsent: -1 },
    stateBatches: {
      type: array(
        struct({
          firstOffset: { type: int64, since: 0 },
          lastOffset: { type: int64, since: 0 },
          deliveryState: { type: int8, since: 0 },
          deliveryCount: { type: int16, since: 0 },
        }),
      ),
      since: 0,
    },
  },
})
