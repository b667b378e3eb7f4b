import { array, defineApi, errorCode, int32, int64, int64clamped, string, struct } from '../notation.ts'

// Moves the log start offset forward, so that the records before it are gone.
export const deleteRecords = defineApi({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                offset: { type: int64clamped, since: 0 },
              }),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    timeoutMs: { type: int32, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                lowWatermark: { type: int64, since: 0 },
                errorCode: { type: errorCode, since: 0 },
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
