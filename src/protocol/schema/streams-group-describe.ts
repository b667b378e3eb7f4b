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
  string,
  struct,
  uint16,
} from '../notation.ts'

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

const topologyDescriptionNode = struct({
  name: { type: string, since: 1 },
  nodeType: { type: int8, since: 1 },
  sourceTopics: { type: array(string), since: 1 },
  sinkTopic: { type: nullable(string), since: 1, ifAbsent: null },
  stores: { type: array(string), since: 1 },
  successors: { type: array(string), since: 1 },
})

const topologyDescriptionGlobalStore = struct({
  source: { type: topologyDescriptionNode, since: 1 },
  processor: { type: topologyDescriptionNode, since: 1 },
})

const assignment = struct({
  activeTasks: { type: array(taskIds), since: 0 },
  standbyTasks: { type: array(taskIds), since: 0 },
  warmupTasks: { type: array(taskIds), since: 0 },
})

const topologyDescriptionSubtopology = struct({
  subtopologyId: { type: string, since: 1 },
  nodes: { type: array(topologyDescriptionNode), since: 1 },
})

const topologyDescription = struct({
  subtopologies: { type: array(topologyDescriptionSubtopology), since: 1 },
  globalStores: { type: array(topologyDescriptionGlobalStore), since: 1 },
})

// Describes streams groups, with their topology and assignments.
export const streamsGroupDescribe = defineApi({
  key: 89,
  name: 'StreamsGroupDescribe',
  versions: '0-1',
  flexible: '0+',
  request: {
    groupIds: { type: array(string), since: 0 },
    includeAuthorizedOperations: { type: boolean, since: 0 },
    includeTopologyDescription: { type: boolean, since: 1 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    groups: {
      type: array(
        struct({
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
          groupId: { type: string, since: 0 },
          groupState: { type: string, since: 0 },
          groupEpoch: { type: int32, since: 0 },
          assignmentEpoch: { type: int32, since: 0 },
          topology: {
            type: nullable(
              struct({
                epoch: { type: int32, since: 0 },
                subtopologies: {
                  type: nullable(
                    array(
                      struct({
                        subtopologyId: { type: string, since: 0 },
                        sourceTopics: { type: array(string), since: 0 },
                        repartitionSinkTopics: { type: array(string), since: 0 },
                        stateChangelogTopics: { type: array(topicInfo), since: 0 },
                        repartitionSourceTopics: { type: array(topicInfo), since: 0 },
                      }),
                    ),
                  ),
                  since: 0,
                  ifAbsent: null,
                },
              }),
            ),
            since: 0,
            ifAbsent: null,
          },
          members: {
            type: array(
              struct({
                memberId: { type: string, since: 0 },
                memberEpoch: { type: int32, since: 0 },
                instanceId: { type: nullable(string), since: 0, ifAbsent: null },
                rackId: { type: nullable(string), since: 0, ifAbsent: null },
                clientId: { type: string, since: 0 },
                clientHost: { type: string, since: 0 },
                topologyEpoch: { type: int32, since: 0 },
                processId: { type: string, since: 0 },
                userEndpoint: { type: nullable(endpoint), since: 0, ifAbsent: null },
                clientTags: { type: array(keyValue), since: 0 },
                taskOffsets: { type: array(taskOffset), since: 0 },
                taskEndOffsets: { type: array(taskOffset), since: 0 },
                assignment: { type: assignment, since: 0 },
                targetAssignment: { type: assignment, since: 0 },
                isClassic: { type: boolean, since: 0 },
              }),
            ),
            since: 0,
          },
          authorizedOperations: { type: int32, since: 0, ifAbsent: -0x8000_0000 },
          topologyDescription: { type: nullable(topologyDescription), since: 1, ifAbsent: null },
          topologyDescriptionStatus: { type: int8, since: 1 },
          assignorName: { type: nullable(string), since: 1, ifAbsent: null, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})
