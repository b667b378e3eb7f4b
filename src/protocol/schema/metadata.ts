import { array, boolean, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

// Tells which brokers there are, and who leads and holds each partition; may create the topics it names.
export const metadata = defineApi({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    topics: {
      type: nullable(
        array(
          struct({
            topicId: { type: uuid, since: 10, ignorable: true },
            name: { type: nullable(string, 10), since: 0 },
          }),
        ),
        1,
      ),
      since: 0,
    },
    allowAutoTopicCreation: { type: boolean, since: 4, ifAbsent: true },
    includeClusterAuthorizedOperations: { type: boolean, since: 8, until: 10 },
    includeTopicAuthorizedOperations: { type: boolean, since: 8 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 3, ignorable: true },
    brokers: {
      type: array(
        struct({
          nodeId: { type: int32, since: 0 },
          host: { type: string, since: 0 },
          port: { type: int32, since: 0 },
          rack: { type: nullable(string), since: 1, ifAbsent: null, ignorable: true },
        }),
      ),
      since: 0,
    },
    clusterId: { type: nullable(string), since: 2, ifAbsent: null, ignorable: true },
    controllerId: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
    topics: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          name: { type: nullable(string, 12), since: 0 },
          topicId: { type: uuid, since: 10, ignorable: true },
          isInternal: { type: boolean, since: 1, ignorable: true },
          partitions: {
            type: array(
              struct({
                errorCode: { type: errorCode, since: 0 },
                partitionIndex: { type: int32, since: 0 },
                leaderId: { type: int32, since: 0 },
                leaderEpoch: { type: int32, since: 7, ifAbsent: -1, ignorable: true },
                replicaNodes: { type: array(int32), since: 0 },
                isrNodes: { type: array(int32), since: 0 },
                offlineReplicas: { type: array(int32), since: 5, ignorable: true },
              }),
            ),
            since: 0,
          },
          topicAuthorizedOperations: { type: int32, since: 8, ifAbsent: -0x8000_0000 },
        }),
      ),
      since: 0,
    },
    clusterAuthorizedOperations: { type: int32, since: 8, until: 10, ifAbsent: -0x8000_0000 },
    errorCode: { type: errorCode, since: 13, ignorable: true },
  },
})
