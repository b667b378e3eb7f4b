import {
  array,
  boolean,
  defineApi,
  errorCode,
  int8,
  int16,
  int32,
  int64,
  int64clamped,
  nullable,
  string,
  struct,
  uint16,
} from '../notation.ts'

const keyValue = struct({
  key: { type: string, since: 0 },
  value: { type: string, since: 0 },
})

const topicInfo = struct({
  name: { type: string, since: 0 },
  partitions: { type: int32, since: 0 },
  replicationFactor: { type: int16, since: 0 },
  topicConfigs: { type: array(keyValue), since: 0 },
})

const endpoint = struct({
  host: { type: string, since: 0 },
  port: { type: uint16, since: 0 },
})

const taskOffset = struct({
  subtopologyId: { type: string, since: 0 },
  partition: { type: int32, since: 0 },
  offset: { type: int64, since: 0 },
})

const taskIds = struct({
  subtopologyId: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

const status = struct({
  statusCode: { type: int8, since: 0 },
  statusDetail: { type: string, since: 0 },
})

const topicPartition = struct({
  topic: { type: string, since: 0 },
  partitions: { type: array(int32), since: 0 },
})

// The one request by which a streams member joins, keeps up with and leaves its group.
export const streamsGroupHeartbeat = defineApi({
  key: 88,
  name: 'StreamsGroupHeartbeat',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
    memberEpoch: { type: int32, since: 0 },
    endpointInformationEpoch: { type: int32, since: 0 },
    instanceId: { type: nullable(string), since: 0, ifAbsent: null },
    rackId: { type: nullable(string), since: 0, ifAbsent: null },
    rebalanceTimeoutMs: { type: int32, since: 0, ifAbsent: -1 },
    topology: {
      type: nullable(
        struct({
          epoch: { type: int32, since: 0 },
          subtopologies: {
            type: array(
              struct({
                subtopologyId: { type: string, since: 0 },
                sourceTopics: { type: array(string), since: 0 },
                sourceTopicRegex: { type: array(string), since: 0 },
                stateChangelogTopics: { type: array(topicInfo), since: 0 },
                repartitionSinkTopics: { type: array(string), since: 0 },
                repartitionSourceTopics: { type: array(topicInfo), since: 0 },
                copartitionGroups: {
                  type: array(
                    struct({
                      sourceTopics: { type: array(int16), since: 0 },
                      sourceTopicRegex: { type: array(int16), since: 0 },
                      repartitionSourceTopics: { type: array(int16), since: 0 },
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
      ifAbsent: null,
    },
    activeTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    standbyTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    warmupTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    processId: { type: nullable(string), since: 0, ifAbsent: null },
    userEndpoint: { type: nullable(endpoint), since: 0, ifAbsent: null },
    clientTags: { type: nullable(array(keyValue)), since: 0, ifAbsent: null },
    taskOffsets: { type: nullable(array(taskOffset)), since: 0, ifAbsent: null },
    taskEndOffsets: { type: nullable(array(taskOffset)), since: 0, ifAbsent: null },
    shutdownApplication: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    memberId: { type: string, since: 0 },
    memberEpoch: { type: int32, since: 0 },
    heartbeatIntervalMs: { type: int32, since: 0 },
    acceptableRecoveryLagLegacy: { type: int32, since: 0, until: 0 },
    taskOffsetIntervalMs: { type: int32, since: 0 },
    acceptableRecoveryLag: { type: int64clamped, since: 1, ifAbsent: -1, ignorable: true },
    status: { type: nullable(array(status)), since: 0 },
    activeTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    standbyTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    warmupTasks: { type: nullable(array(taskIds)), since: 0, ifAbsent: null },
    topologyDescriptionRequired: { type: boolean, since: 1 },
    endpointInformationEpoch: { type: int32, since: 0 },
    partitionsByUserEndpoint: {
      type: nullable(
        array(
          struct({
            userEndpoint: { type: endpoint, since: 0 },
            activePartitions: { type: array(topicPartition), since: 0 },
            standbyPartitions: { type: array(topicPartition), since: 0 },
          }),
        ),
      ),
      since: 0,
      ifAbsent: null,
    },
  },
})
