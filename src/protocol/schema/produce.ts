import {
  array,
  defineApi,
  errorCode,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Appends record batches to partitions. With acks=0 no response is sent.
export const produce = defineApi({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  request: {
    transactionalId: { type: nullable(string), since: 3, ifAbsent: null },
    acks: { type: int16, since: 0 },
    timeoutMs: { type: int32, since: 0 },
    topicData: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 12, ignorable: true },
          topicId: { type: uuid, since: 13, ignorable: true },
          partitionData: {
            type: array(
              struct({
                index: { type: int32, since: 0 },
                records: { type: nullable(records), since: 0 },
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
    responses: {
      type: array(
        struct({
          name: { type: string, since: 0, until: 12, ignorable: true },
          topicId: { type: uuid, since: 13, ignorable: true },
          partitionResponses: {
            type: array(
              struct({
                index: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                baseOffset: { type: int64, since: 0 },
                logAppendTimeMs: { type: int64, since: 2, ifAbsent: -1, ignorable: true },
                logStartOffset: { type: int64, since: 5, ifAbsent: -1, ignorable: true },
                recordErrors: {
                  type: array(
                    struct({
                      batchIndex: { type: int32, since: 8 },
                      batchIndexErrorMessage: { type: nullable(string), since: 8, ifAbsent: null },
                    }),
                  ),
                  since: 8,
                  ignorable: true,
                },
                errorMessage: { type: nullable(string), since: 8, ifAbsent: null, ignorable: true },
                currentLeader: {
                  type: struct({
                    leaderId: { type: int32, since: 10, ifAbsent: -1 },
                    leaderEpoch: { type: int32, since: 10, ifAbsent: -1 },
                  }),
                  since: 10,
                  tag: 0,
                },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    nodeEndpoints: {
      type: array(
        struct({
          nodeId: { type: int32, since: 10 },
          host: { type: string, since: 10 },
          port: { type: int32, since: 10 },
          rack: { type: nullable(string), since: 10, ifAbsent: null },
        }),
      ),
      since: 10,
      tag: 0,
    },
  },
})
