import { ErrorCode, errorMessage, errorName, type ResponseInput } from '../protocol/index.ts'
import { findCoordinator } from '../protocol/schema/find-coordinator.ts'
import type { ClusterView } from './cluster-view.ts'
import { type ApiHandler, type RequestContext, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** Where groups, or transactions, are coordinated: on this broker, once it has what they are kept in. */
export interface CoordinatorLocator {
  /** NONE when this broker answers for the group or transactional id now, or soon; else what its client is told. */
  locate(key: string): Promise<ErrorCode>
}

const KeyType = { group: 0, transaction: 1, share: 2 } as const
/** Keys come in arrays, each with an answer of its own. */
const batchedSince = 4

/**
 * FindCoordinator v0-6: this broker, for every group and every transactional id. The first to ask waits until the
 * coordinator's topic is made, instead of being told to come back. Share groups are not served: their clients are told so at
 * once, with a code that they do not retry on.
 */
export function serveFindCoordinator(
  cluster: ClusterView,
  groups: CoordinatorLocator,
  transactions: CoordinatorLocator,
): ApiHandler {
  return serve(findCoordinator, { min: 0, max: 6, wide: true }, async (request, context) => {
    const { keyType, key, coordinatorKeys } = request
    if (context.apiVersion < batchedSince) {
      const [code, message] = await answerFor(keyType, key)
      // Kafka spells out success here, and in no later version.
      const said = code === ErrorCode.NONE ? errorName(code) : (message ?? errorMessage(code))
      return { ...place(code, context), errorMessage: said }
    }
    const share = new TurnShare(context)
    const coordinators: Coordinator[] = []
    for (const each of coordinatorKeys) {
      const [code, message] = await answerFor(keyType, each)
      const said = code === ErrorCode.NONE ? '' : (message ?? errorMessage(code))
      coordinators.push({ key: each, ...place(code, context), errorMessage: said })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { coordinators }
  })

  async function answerFor(keyType: number, key: string): Promise<[ErrorCode, string?]> {
    switch (keyType) {
      case KeyType.group:
        return [await groups.locate(key)]
      case KeyType.transaction:
        return [await transactions.locate(key)]
      case KeyType.share:
        return [ErrorCode.INVALID_REQUEST]
      default:
        return [ErrorCode.INVALID_REQUEST, `Unknown coordinator type received: ${keyType}`]
    }
  }

  function place(errorCode: ErrorCode, { connection }: RequestContext) {
    if (errorCode !== ErrorCode.NONE) return { errorCode, nodeId: -1, host: '', port: -1 }
    return { errorCode, nodeId: cluster.nodeId, ...cluster.advertised(connection) }
  }
}

type Coordinator = NonNullable<ResponseInput<typeof findCoordinator>['coordinators']>[number]
