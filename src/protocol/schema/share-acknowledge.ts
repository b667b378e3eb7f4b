import {
  array,
  boolean,
  defineApi,
  errorCode,
  int8,
  int32,
  int64,
  nullable,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Acknowledges records that a share group's consumer acquired.
export const shareAcknowledge = defineApi({
  key: 79,
  name: 'ShareAcknowledge',
  versions: '1-2',
  flexible: '0+',
  request: {
    groupId: { type: nullable(string), since: 0, ifAbsent: null },
    memberId: { type: nullable(string), since: 0 },
    shareSessionEpoch: { type: int32, since: 0 },
    isRenewAck: { type: boolean, since: 2 },
    topics: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
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
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    acquisitionLockTimeoutMs: { type: int32, since: 2, ignorable: true },
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
                currentLeader: {
                  type: struct({
                    leaderId: { type: int32, since: 0 },
                    leaderEpoch: { type: int32, since: 0 },
                  }),
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
