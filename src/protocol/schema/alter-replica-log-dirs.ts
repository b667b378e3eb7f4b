import { array, defineApi, errorCode, int32, string, struct } from '../notation.ts'

// Moves replicas between the log directories of a broker.
export const alterReplicaLogDirs = defineApi({
  key: 34,
  name: 'AlterReplicaLogDirs',
  versions: '1-2',
  flexible: '2+',
  request: {
    dirs: {
      type: array(
        struct({
          path: { type: string, since: 0 },
          topics: {
            type: array(
              struct({
                name: { type: string, since: 0 },
                partitions: { type: array(int32), since: 0 },
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
    results: {
      type: array(
        struct({
          topicName: { type: string, since: 0 },
          partitions: {
            type: array(
              struct({
                partitionIndex: { type: int32, since: 0 },
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
