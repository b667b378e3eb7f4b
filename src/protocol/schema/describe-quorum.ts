import { array, defineApi, errorCode, int32, int64, nullable, string, struct, uint16, uuid } from '../notation.ts'

const replicaState = struct({
  replicaId: { type: int32, since: 0 },
  replicaDirectoryId: { type: uuid, since: 2 },
  logEndOffset: { type: int64, since: 0 },
  lastFetchTimestamp: { type: int64, since: 1, ifAbsent: -1, ignorable: true },
  lastCaughtUpTimestamp: { type: int64, since: 1, ifAbsent: -1, ignorable: true },
})

// Describes the metadata quorum: its leader, voters and observers.
export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
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
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 2, ignorable: true },
    topics: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 2, ignorable: true },
                leaderId: { type: int32, since: 0 },
                leaderEpoch: { type: int32, since: 0 },
                highWatermark: { type: int64, since: 0 },
                currentVoters: { type: array(replicaState), since: 0 },
                observers: { type: array(replicaState), since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    nodes: {
      type: array(
        struct({
          nodeId: { type: int32, since: 2 },
          listeners: {
            type: array(
              struct({
                name: { type: string, since: 2 },
                host: { type: string, since: 2 },
                port: { type: uint16, since: 2 },
              }),
            ),
            since: 2,
          },
        }),
      ),
      since: 2,
    },
  },
})
