import {
  array,
  boolean,
  defineApi,
  errorCode,
  int8,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Acquires records of a share group, and acknowledges earlier ones on the way.
export const shareFetch = defineApi({
  key: 78,
  name: 'ShareFetch',
  versions: '1-2',
  flexible: '0+',
  request: {
    groupId: { type: nullable(string), since: 0, ifAbsent: null },
    memberId: { type: nullable(string), since: 0 },
    shareSessionEpoch: { type: int32, since: 0 },
    maxWaitMs: { type: int32, since: 0 },
    minBytes: { type: int32, since: 0 },
    maxBytes: { type: int32, since: 0, ifAbsent: 0x7fff_ffff },
    maxRecords: { type: int32, since: 1 },
    batchSize: { type: int32, since: 1 },
    shareAcquireMode: { type: int8, since: 2, ignorable: true },
    isRenewAck: { type: boolean, since: 2 },
    topics: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                partitionMaxBytes: { type: int32, since: 0, until: 0 },
                acknowledgementBatches: {
                  type: array(
                    struct({
                      firstOffset: { type: int64, since: 0 },
                      lastOffset: { type: int64, since: 0 },
                      acknowledgeTypes: { type: array(int8), since: 0 },
                    }),
                  ),
                  since: 0,
                },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    forgottenTopicsData: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: { type: array(int32), since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    acquisitionLockTimeoutMs: { type: int32, since: 1 },
    responses: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
                acknowledgeErrorCode: { type: errorCode, since: 0 },
                acknowledgeErrorMessage: { type: nullable(string), since: 0, ifAbsent: null },
                currentLeader: {
                  type: struct({
                    leaderId: { type: int32, since: 0 },
                    leaderEpoch: { type: int32, since: 0 },
                  }),
                  since: 0,
                },
                records: { type: records, since: 0 },
                acquiredRecords: {
                  type: array(
                    struct({
                      firstOffset: { type: int64, since: 0 },
                      lastOffset: { type: int64, since: 0 },
                      deliveryCount: { type: int16, since: 0 },
                    }),
                  ),
                  since: 0,
                },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    nodeEndpoints: {
      type: array(
        struct({
          nodeId: { type: int32, since: 0 },
          host: { type: string, since: 0 },
          port: { type: int32, since: 0 },
          rack: { type: nullable(string), since: 0, ifAbsent: null },
        }),
      ),
      since: 0,
    },
  },
})
