import { array, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Lists the partitions that are being moved.
export const listPartitionReassignments = defineApi({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: '0',
  flexible: '0+',
  request: {
    timeoutMs: { type: int32, since: 0, ifAbsent: 60000 },
    topics: {
      type: nullable(
        array(
          struct({
            name: { type: string, since: 0 },
            partitionIndexes: { type: array(int32), since: 0 },
          }),
        ),
      ),
      since: 0,
      ifAbsent: null,
    },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                replicas: { type: array(int32), since: 0 },
                addingReplicas: { type: array(int32), since: 0 },
                removingReplicas: { type: array(int32), since: 0 },
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
