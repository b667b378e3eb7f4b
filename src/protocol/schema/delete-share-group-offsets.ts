import { array, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

// Deletes the offsets of a share group for topics.
export const deleteShareGroupOffsets = defineApi({
  key: 92,
  name: 'DeleteShareGroupOffsets',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    topics: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
        }),
      ),
      since: 0,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    responses: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          topicId: { type: uuid, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
        }),
      ),
      since: 0,
    },
  },
})
