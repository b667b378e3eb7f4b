import { array, defineApi, errorCode, int8, int16, int32, int64, nullable, string, struct, uuid } from '../notation.ts'

// Share coordinator: reads the persistent state of a share partition.
export const readShareGroupState = defineApi({
  key: 84,
  name: 'ReadShareGroupState',
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
                startOffset: { type: int64, since: 0 },
                stateBatches: {
                  type: array(
                    struct({
                      firstOffset: { type: int64, since: 0 },
                      lastOffset: { type: int64, since: 0 },
                      deliveryState: { type: int8, since: 0 },
                      deliveryCount: { type: int16, since: 0 },
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
    },
  },
})
