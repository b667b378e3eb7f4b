import { array, defineRecord, int32, string, struct, uuid } from '../notation.ts'

// The partitions that a KIP-848 group knew of. No longer written; older logs hold it.
export const consumerGroupPartitionMetadataRecord = defineRecord({
  type: 4,
  name: 'ConsumerGroupPartitionMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    topics: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          topicName: { type: string, since: 0 },
          numPartitions: { type: int32, since: 0 },
          partitionMetadata: {
            type: array(
              struct({
                partition: { type: int32, since: 0 },
                racks: { type: array(string), since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
  },
})
