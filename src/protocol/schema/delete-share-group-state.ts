import { array, defineApi, errorCode, int32, nullable, string, struct, uuid } from '../notation.ts'

// Share coordinator: deletes the persistent state of a share partition.
export const deleteShareGroupState = defineApi({
  key: 86,
  name: 'DeleteShareGroupState',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    topics: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partition: { type: int32, since: 0 },
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
    results: {
      type: array(
        struct({
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partition: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
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
