import { array, defineRecord, int32, string, struct, uuid } from '../notation.ts'

const topicPartitionsInfo = struct({
  topicId: { type: uuid, since: 0 },
  topicName: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

const topicInfo = struct({
  topicId: { type: uuid, since: 0 },
  topicName: { type: string, since: 0 },
})

// Which share partitions of a share group are being initialized, are initialized or are being deleted.
export const shareGroupStatePartitionMetadataRecord = defineRecord({
  type: 15,
  name: 'ShareGroupStatePartitionMetadata',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
    initializingTopics: { type: array(topicPartitionsInfo), since: 0 },
    initializedTopics: { type: array(topicPartitionsInfo), since: 0 },
    deletingTopics: { type: array(topicInfo), since: 0 },
  },
})
