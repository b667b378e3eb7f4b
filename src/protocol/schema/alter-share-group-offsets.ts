import { array, defineApi, errorCode, int32, int64, nullable, string, struct, uuid } from '../notation.ts'

// Sets the start offsets of an empty share group.
export const alterShareGroupOffsets = defineApi({
  key: 91,
  name: 'AlterShareGroupOffsets',
  versions: '0',
  flexible: '0+',
  request: {
    groupId: { type: string, since: 0 },
    topics: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                startOffset: { type: int64, since: 0 },
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
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    responses: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          topicId: { type: uuid, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
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
