import { ErrorCode } from '../protocol/index.ts'
import { addRaftVoter } from '../protocol/schema/add-raft-voter.ts'
import { removeRaftVoter } from '../protocol/schema/remove-raft-voter.ts'
import { unregisterBroker } from '../protocol/schema/unregister-broker.ts'
import { type ApiHandler, serve } from './serve.ts'

/**
 * UnregisterBroker v0: one node is all that there is, and it stays registered while it runs: other ids are
 * BROKER_ID_NOT_REGISTERED, its own is INVALID_REQUEST, where Kafka would forget a broker that is still there.
 */
export const serveUnregisterBroker = (nodeId: number): ApiHandler =>
  serve(unregisterBroker, { min: 0, max: 0 }, ({ brokerId }) =>
    brokerId === nodeId
      ? {
          throttleTimeMs: 0,
          errorCode: ErrorCode.INVALID_REQUEST,
          errorMessage: `Broker ID ${brokerId} is running, and the only one: it cannot be unregistered`,
        }
      : {
          throttleTimeMs: 0,
          errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED,
          errorMessage: `Broker ID ${brokerId} is not currently registered`,
        },
  )

/**
 * AddRaftVoter v0-1 and RemoveRaftVoter v0: the quorum is one node and stays so, which Kafka says of a cluster whose
 * `kraft.version` is 0.
 */
export const serveAddRaftVoter = (): ApiHandler => serve(addRaftVoter, { min: 0, max: 1 }, () => fixedQuorum('adding'))

export const serveRemoveRaftVoter = (): ApiHandler =>
  serve(removeRaftVoter, { min: 0, max: 0 }, () => fixedQuorum('removing'))

const fixedQuorum = (what: string) => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.UNSUPPORTED_VERSION,
  errorMessage: `Cluster doesn't support ${what} voter because the kraft.version feature is 0`,
})
