import { array, boolean, defineApi, errorCode, int32, nullable, string, struct } from '../notation.ts'

// Starts moving partitions to other replicas, or cancels such moves.
export const alterPartitionReassignments = defineApi({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: '0-1',
  flexible: '0+',
  request: {
    timeoutMs: { type: int32, since: 0, ifAbsent: 60000 },
    allowReplicationFactorChange: { type: boolean, since: 1, ifAbsent: true },
    topics: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                replicas: { type: nullable(array(int32)), since: 0, ifAbsent: null },
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
    allowReplicationFactorChange: { type: boolean, since: 1, ifAbsent: true, ignorable: true },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0 },
    responses: {
      type: array(
        struct({
          name: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
                errorCode: { type: errorCode, since: 0 },
                errorMessage: { type: nullable(string), since: 0 },
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
