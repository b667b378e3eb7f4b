import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

const topologyDescriptionNode = struct({
  name: { type: string, since: 0 },
  nodeType: { type: int8, since: 0 },
  sourceTopics: { type: array(string), since: 0 },
  sinkTopic: { type: nullable(string), since: 0, ifAbsent: null },
  stores: { type: array(string), since: 0 },
  successors: { type: array(string), since: 0 },
})

const topologyDescriptionGlobalStore = struct({
  source: { type: topologyDescriptionNode, since: 0 },
  processor: { type: topologyDescriptionNode, since: 0 },
})

const topologyDescriptionSubtopology = struct({
  subtopologyId: { type: string, since: 0 },
  nodes: { type: array(topologyDescriptionNode), since: 0 },
})

const topologyDescription = struct({
  subtopologies: { type: array(topologyDescriptionSubtopology), since: 0 },
  globalStores: { type: array(topologyDescriptionGlobalStore), since: 0 },
})

// Stores the description of a streams group's topology, for tools to show.
export const streamsGroupTopologyDescriptionUpdate = defineApi({
  key: 93,
  name: 'StreamsGroupTopologyDescriptionUpdate',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    memberId: { type: string, since: 0 },
    topologyEpoch: { type: int32, since: 0 },
    topologyDescription: { type: topologyDescription, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
  },
})
