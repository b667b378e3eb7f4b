import {
  array,
  boolean,
  defineApi,
  errorCode,
  int8,
  int16,
  int32,
  nullable,
  string,
  struct,
  uuid,
} from '../notation.ts'

// Creates topics, or with validateOnly only checks that they could be created.
export const createTopics = defineApi({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          numPartitions: { type: int32, since: 0 },
          replicationFactor: { type: int16, since: 0 },
          assignments: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                brokerIds: { type: array(int32), since: 0 },
              }),
            ),
            since: 0,
          },
          configs: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                value: { type: nullable(string), since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    timeoutMs: { type: int32, since: 0, ifAbsent: 60000 },
    validateOnly: { type: boolean, since: 1 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 2, ignorable: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          topicId: { type: uuid, since: 7, ignorable: true },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 1, ignorable: true },
          topicConfigErrorCode: { type: errorCode, since: 5, tag: 0, ignorable: true },
          numPartitions: { type: int32, since: 5, ifAbsent: -1, ignorable: true },
          replicationFactor: { type: int16, since: 5, ifAbsent: -1, ignorable: true },
          configs: {
            type: nullable(
              array(
                struct({
                  name: { type: string, since: 5 },
                  value: { type: nullable(string), since: 5 },
                  readOnly: { type: boolean, since: 5 },
                  configSource: { type: int8, since: 5, ifAbsent: -1, ignorable: true },
                  isSensitive: { type: boolean, since: 5 },
                }),
              ),
            ),
            since: 5,
            ignorable: true,
          },
        }),
      ),
      since: 0,
    },
  },
})
