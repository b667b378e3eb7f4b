import { array, boolean, defineApi, errorCode, int8, int32, nullable, string, struct } from '../notation.ts'

// Tells the cluster's id, controller and brokers.
export const describeCluster = defineApi({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: { type: boolean, since: 0 },
    endpointType: { type: int8, since: 1, ifAbsent: 1 },
    includeFencedBrokers: { type: boolean, since: 2 },
  },
  response: {
    throttleTimeMs: { type: int32, since: 0 },
    errorCode: { type: errorCode, since: 0 },
    errorMessage: { type: nullable(string), since: 0, ifAbsent: null },
    endpointType: { type: int8, since: 1, ifAbsent: 1 },
    clusterId: { type: string, since: 0 },
    controllerId: { type: int32, since: 0, ifAbsent: -1 },
    brokers: {
      type: array(
        struct({
          brokerId: { type: int32, since: 0 },
          host: { type: string, since: 0 },
          port: { type: int32, since: 0 },
          rack: { type: nullable(string), since: 0, ifAbsent: null },
          isFenced: { type: boolean, since: 2 },
        }),
      ),
      since: 0,
    },
    clusterAuthorizedOperations: { type: int32, since: 0, ifAbsent: -0x8000_0000 },
  },
})
