import type { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { consumerOffsetsTopic } from '../metadata/image.ts'
import { ErrorCode, type RequestOf } from '../protocol/index.ts'
import { txnOffsetCommit } from '../protocol/schema/txn-offset-commit.ts'
import { groupClient } from './group-client.ts'
import type { LatestConnections } from './latest-connections.ts'
import type { TransactionVerifier } from './produce-transaction.ts'
import { type ApiHandler, closeConnection, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * TxnOffsetCommit v0-6: offsets of a group as part of a transaction: pending until it ends, and durable when they are
 * answered. The partition that they are kept in belongs to the transaction before they are: AddOffsetsToTxn came first, or,
 * from v5 on where transaction.version is 2, it is added now (KIP-890). From v6 topics are named by id. What comes late of a
 * client whose transactions share an epoch is not taken for its next one: see LatestConnections.
 */
export function serveTxnOffsetCommit(
  groups: GroupCoordinator,
  transactions: TransactionVerifier,
  connections: LatestConnections,
): ApiHandler {
  return serve(txnOffsetCommit, { min: 0, max: 6, wide: true }, (request, context) => {
    context.releaseFrame()
    const { transactionalId, producerId, producerEpoch } = request
    if (context.apiVersion < addingSince && connections.isLate(transactionalId, producerId, producerEpoch, context))
      return closeConnection
    const verify = verification(request, context.apiVersion)
    return groups.commitInTransaction(request, groupClient(context), new TurnShare(context), verify)
  })

  function verification(
    { transactionalId, producerId, producerEpoch, groupId }: RequestOf<typeof txnOffsetCommit>,
    apiVersion: number,
  ): (() => Promise<ErrorCode>) | undefined {
    const add = apiVersion >= addingSince && transactions.addsOnWrite
    if (!add && !transactions.verifies) return undefined
    return async () => {
      const partitions = [{ topic: consumerOffsetsTopic, partition: groups.partitionFor(groupId) }]
      const [code] = await transactions.verify(transactionalId, producerId, producerEpoch, partitions, add)
      return refusalAs(code!, apiVersion)
    }
  }
}

/** From here on clients know that a transaction may have to be aborted, and what tells them so. */
const abortableSince = 4
/** From here on clients leave it to their commits to add the partition. */
const addingSince = 5
/** Earlier clients may fail on what tells them to wait for a coordinator that loads. */
const loadingSince = 2

/** The coordinator of transactions' answer in the words of TxnOffsetCommit, as clients of that age know them. */
function refusalAs(code: ErrorCode, apiVersion: number): ErrorCode {
  switch (code) {
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH
    case ErrorCode.TRANSACTION_ABORTABLE:
      return apiVersion < abortableSince ? ErrorCode.INVALID_TXN_STATE : code
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return apiVersion < addingSince ? waitFor(apiVersion) : code
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
      return waitFor(apiVersion)
    default:
      return code
  }
}

const waitFor = (apiVersion: number): ErrorCode =>
  apiVersion < loadingSince ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
