import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { describeCluster } from '../protocol/schema/describe-cluster.ts'
import { clusterOperations } from './authorized-operations.ts'
import type { ClusterView } from './cluster-view.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * DescribeCluster v0-2: the brokers, as a broker's listener tells them; controllers are asked elsewhere, and a request for
 * them is MISMATCHED_ENDPOINT_TYPE (KIP-919). One node is never fenced (KIP-1073) and is its own controller.
 */
export function serveDescribeCluster({ clusterId, nodeId, rack, advertised }: ClusterView): ApiHandler {
  return serve(describeCluster, { min: 0, max: 2 }, (request, { connection }) => {
    const { endpointType } = request
    if (endpointType === EndpointType.controller)
      return refused(
        ErrorCode.MISMATCHED_ENDPOINT_TYPE,
        'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
      )
    if (endpointType !== EndpointType.broker)
      return refused(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, `Unsupported endpoint type ${endpointType}`)
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      clusterId,
      controllerId: nodeId,
      brokers: [{ brokerId: nodeId, ...advertised(connection), rack }],
      ...(request.includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations } : {}),
    }
  })
}

const EndpointType = { broker: 1, controller: 2 } as const

function refused(errorCode: ErrorCode, errorMessage: string): ResponseInput<typeof describeCluster> {
  return { throttleTimeMs: 0, errorCode, errorMessage, clusterId: '', brokers: [] }
}
