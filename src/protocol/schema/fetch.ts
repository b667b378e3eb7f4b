import {
  array,
  defineApi,
  errorCode,
  int8,
  int32,
  int64,
  int64clamped,
  int64exact,
  nullable,
  records,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Reads record batches from partitions: consumers up to the high watermark, followers up to the log's end.
export const fetch = defineApi({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  request: {
    clusterId: { type: nullable(string), since: 12, tag: 0, ifAbsent: null, ignorable: true },
    replicaId: { type: int32, since: 0, until: 14, ifAbsent: -1 },
    replicaState: {
      type: struct({
        replicaId: { type: int32, since: 15, ifAbsent: -1 },
        replicaEpoch: { type: int64, since: 15, ifAbsent: -1 },
      }),
      since: 15,
      tag: 1,
    },
    maxWaitMs: { type: int32, since: 0 },
    minBytes: { type: int32, since: 0 },
    maxBytes: { type: int32, since: 3, ifAbsent: 0x7fff_ffff, ignorable: true },
    isolationLevel: { type: int8, since: 4, ignorable: true },
    sessionId: { type: int32, since: 7, ignorable: true },
    sessionEpoch: { type: int32, since: 7, ifAbsent: -1, ignorable: true },
    topics: {
      type: array(
        struct({
          topic: { type: string, since: 0, until: 12, ignorable: true },
          topicId: { type: uuid, since: 13, ignorable: true },
          partitions: {
            type: array(
              struct({
                partition: { type: int32, since: 0 },
                currentLeaderEpoch: { type: int32, since: 9, ifAbsent: -1, ignorable: true },
                fetchOffset: { type: int64clamped, since: 0 },
                lastFetchedEpoch: { type: int32, since: 12, ifAbsent: -1 },
                logStartOffset: { type: int64, since: 5, ifAbsent: -1, ignorable: true },
                partitionMaxBytes: { type: int32, since: 0 },
                replicaDirectoryId: { type: uuid, since: 17, tag: 0, ignorable: true },
                highWatermark: { type: int64exact, since: 18, tag: 1, ifAbsent: 9223372036854775807n, ignorable: true },
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
          topic: { type: string, since: 7, until: 12, ignorable: true },
          topicId: { type: uuid, since: 13, ignorable: true },
          partitions: { type: array(int32), since: 7 },
        }),
      ),
      since: 7,
    },
    rackId: { type: string, since: 11, ignorable: true },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    errorCode: { type: errorCode, since: 7, ignorable: true },
    sessionId: { type: int32, since: 7 },
    responses: {
      type: array(
        struct({
          topic: { type: string, since: 0, until: 12, ignorable: true },
          topicId: { type: uuid, since: 13, ignorable: true },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                highWatermark: { type: int64, since: 0 },
                lastStableOffset: { type: int64, since: 4, ifAbsent: -1, ignorable: true },
                logStartOffset: { type: int64, since: 5, ifAbsent: -1, ignorable: true },
                divergingEpoch: {
                  type: struct({
                    epoch: { type: int32, since: 12, ifAbsent: -1 },
                    endOffset: { type: int64, since: 12, ifAbsent: -1 },
                  }),
                  since: 12,
                  tag: 0,
                },
                currentLeader: {
                  type: struct({
                    leaderId: { type: int32, since: 12, ifAbsent: -1 },
                    leaderEpoch: { type: int32, since: 12, ifAbsent: -1 },
                  }),
                  since: 12,
                  tag: 1,
                },
                snapshotId: {
                  type: struct({
                    endOffset: { type: int64, since: 0, ifAbsent: -1 },
                    epoch: { type: int32, since: 0, ifAbsent: -1 },
                  }),
                  since: 12,
                  tag: 2,
                },
                abortedTransactions: {
                  type: nullable(
                    array(
                      struct({
                        producerId: { type: int64exact, since: 4 },
                        firstOffset: { type: int64, since: 4 },
                      }),
                    ),
                  ),
                  since: 4,
                  ignorable: true,
                },
                preferredReadReplica: { type: int32, since: 11, ifAbsent: -1 },
                records: { type: nullable(records), since: 0 },
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
          nodeId: { type: int32, since: 16 },
          host: { type: string, since: 16 },
          port: { type: int32, since: 16 },
          rack: { type: nullable(string), since: 16, ifAbsent: null },
        }),
      ),
      since: 16,
      tag: 0,
    },
  },
})
