import { array, defineRecord, int16, int32, string, struct } from '../notation.ts'

const topicConfig = struct({
  key: { type: string, since: 0 },
  value: { type: string, since: 0 },
})

const topicInfo = struct({
  name: { type: string, since: 0 },
  partitions: { type: int32, since: 0 },
  replicationFactor: { type: int16, since: 0 },
  topicConfigs: { type: array(topicConfig), since: 0 },
})

// A streams group's topology.
export const streamsGroupTopologyRecord = defineRecord({
  type: 23,
  name: 'StreamsGroupTopology',
  key: {
    groupId: { type: string, since: 0 },
  },
  versions: '0',
  flexible: '0+',
  value: {
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
  },
})
