import { array, defineApi, errorCode, int32, int64, nullable, string, struct, uuid } from '../notation.ts'

// Share coordinator: reads the state of a share partition without its record batches.
export const readShareGroupStateSummary = defineApi({
  key: 87,
  name: 'ReadShareGroupStateSummary',
  versions: '0-1',
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
                leaderEpoch: { type: int32, since: 0 },
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
                stateEpoch: { type: int32, since: 0 },
                leaderEpoch: { type: int32, since: 0 },
                startOffset: { type: int64, since: 0 },
                deliveryCompleteCount: { type: int32, since: 1, ifAbsent: -1, ignorable: true },
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
