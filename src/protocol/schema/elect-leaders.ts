import { array, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Elects preferred leaders, or unclean ones where that is asked for.
export const electLeaders = defineApi({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  request: {
    electionType: { type: int8, since: 1 },
    topicPartitions: {
      type: nullable(
        array(
          struct({
            topic: { type: string, since: 0 },
            partitions: { type: array(int32), since: 0 },
          }),
        ),
      ),
      since: 0,
    },
    timeoutMs: { type: int32, since: 0, ifAbsent: 60000 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 1 },
    replicaElectionResults: {
      type: array(
        struct({
          topic: { type: string, since: 0 },
          partitionResult: {
            type: array(
              struct({
                partitionId: { type: int32, since: 0 },
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
