import { array, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

// Deletes topics by name or, from version 6 on, by id.
export const deleteTopics = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: nullable(string), since: 6, ifAbsent: null },
          topicId: { type: uuid, since: 6 },
        }),
      ),
      since: 6,
    },
    topicNames: { type: array(string), since: 0, until: 5, ignorable: true },
    timeoutMs: { type: int32, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 1, ignorable: true },
    responses: {
      type: array(
        struct({
          name: { type: nullable(string, 6), since: 0 },
          topicId: { type: uuid, since: 6, ignorable: true },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 5, ifAbsent: null, ignorable: true },
        }),
      ),
      since: 0,
    },
  },
})
