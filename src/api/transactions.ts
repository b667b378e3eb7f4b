import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { describeTransactions } from '../protocol/schema/describe-transactions.ts'
import { listTransactions } from '../protocol/schema/list-transactions.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/** States of a transaction, as Kafka's tools name them. */
const states = new Set([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'PrepareEpochFence',
  'Dead',
])

/** ListTransactions v0-2: there are none, as nothing coordinates them; filters are checked as Kafka checks them. */
export const serveListTransactions = (): ApiHandler =>
  serve(listTransactions, { min: 0, max: 2, wide: true }, async (request, context) => {
    const { stateFilters, transactionalIdPattern } = request
    const valid = transactionalIdPattern === null || isRegularExpression(transactionalIdPattern)
    const share = new TurnShare(context)
    const unknownStateFilters: string[] = []
    for (const state of valid ? stateFilters : []) {
      if (!states.has(state)) unknownStateFilters.push(state)
      const due = share.spend()
      if (due !== undefined) await due
    }
    return {
      throttleTimeMs: 0,
      errorCode: valid ? ErrorCode.NONE : ErrorCode.INVALID_REGULAR_EXPRESSION,
      unknownStateFilters,
      transactionStates: [],
    }
  })

function isRegularExpression(pattern: string): boolean {
  try {
    new RegExp(pattern)
    return true
  } catch {
    return false
  }
}

/**
 * DescribeTransactions v0: TRANSACTIONAL_ID_NOT_FOUND, which is true of each and which a client takes for an answer; at
 * NOT_COORDINATOR, Kafka's before its first transaction, it would go on asking who coordinates.
 */
export const serveDescribeTransactions = (): ApiHandler =>
  serve(describeTransactions, { min: 0, max: 0, wide: true }, async ({ transactionalIds }, context) => {
    const share = new TurnShare(context)
    const transactionStates: ResponseInput<typeof describeTransactions>['transactionStates'][number][] = []
    for (const transactionalId of transactionalIds) {
      transactionStates.push({
        errorCode: transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
        transactionalId,
        transactionState: '',
        transactionTimeoutMs: 0,
        transactionStartTimeMs: 0,
        producerId: 0n,
        producerEpoch: 0,
        topics: [],
      })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, transactionStates }
  })
