import { array, boolean, defineApi, errorCode, int16, int32, int64exact, string, struct } from '../notation.ts'

const addPartitionsToTxnTopic = struct({
  name: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

const addPartitionsToTxnPartitionResult = struct({
  partitionIndex: { type: int32, since: 0 },
  partitionErrorCode: { type: errorCode, since: 0 },
})

const addPartitionsToTxnTopicResult = struct({
  name: { type: string, since: 0 },
  resultsByPartition: { type: array(addPartitionsToTxnPartitionResult), since: 0 },
})

// Adds partitions to a transaction; from version 4 on brokers send it in batches, also to verify.
export const addPartitionsToTxn = defineApi({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactions: {
      type: array(
        struct({
          transactionalId: { type: string, since: 4 },
          producerId: { type: int64exact, since: 4 },
          producerEpoch: { type: int16, since: 4 },
          verifyOnly: { type: boolean, since: 4 },
          topics: { type: array(addPartitionsToTxnTopic), since: 4 },
        }),
      ),
      since: 4,
    },
    v3AndBelowTransactionalId: { type: string, since: 0, until: 3 },
    v3AndBelowProducerId: { type: int64exact, since: 0, until: 3 },
    v3AndBelowProducerEpoch: { type: int16, since: 0, until: 3 },
    v3AndBelowTopics: { type: array(addPartitionsToTxnTopic), since: 0, until: 3 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 4, ignorable: true },
    resultsByTransaction: {
      type: array(
        struct({
          transactionalId: { type: string, since: 4 },
          topicResults: { type: array(addPartitionsToTxnTopicResult), since: 4 },
        }),
      ),
      since: 4,
    },
    resultsByTopicV3AndBelow: { type: array(addPartitionsToTxnTopicResult), since: 0, until: 3 },
  },
})
