import { array, boolean, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Adds partitions to topics.
export const createPartitions = defineApi({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          count: { type: int32, since: 0 },
          assignments: {
            type: nullable(
              array(
                struct({
                  brokerIds: { type: array(int32), since: 0 },
                }),
              ),
            ),
            since: 0,
          },
        }),
      ),
      since: 0,
    },
    timeoutMs: { type: int32, since: 0 },
    validateOnly: { type: boolean, since: 0 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    results: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          errorCode: { type: errorCode, since: 0 },
          errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
        }),
      ),
      since: 0,
    },
  },
})
