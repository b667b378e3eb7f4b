import type { TransactionFilters } from '../coordinator/transaction/listing.ts'
import { transactionStateNames } from '../coordinator/transaction/transaction.ts'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.ts'
import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { describeTransactions } from '../protocol/schema/describe-transactions.ts'
import { listTransactions } from '../protocol/schema/list-transactions.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * ListTransactions v0-2: the transactions that this broker coordinates and that pass the filters: states (those that nobody
 * knows are named), producer ids, from v1 how long ago they began, from v2 a regular expression that the whole id matches.
 */
export function serveListTransactions(transactions: TransactionCoordinator): ApiHandler {
  return serve(listTransactions, { min: 0, max: 2, wide: true }, async (request, context) => {
    context.releaseFrame()
    const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request
    const refused = (errorCode: ErrorCode) => ({
      throttleTimeMs: 0,
      errorCode,
      unknownStateFilters: [],
      transactionStates: [],
    })
    let matches: TransactionFilters['matches']
    if (transactionalIdPattern !== null && transactionalIdPattern !== '') {
      const { compileTopicRegex } = await import('../coordinator/group/regex/topic-regex.ts')
      const regex = compileTopicRegex(transactionalIdPattern)
      if (!regex.ok) return refused(ErrorCode.INVALID_REGULAR_EXPRESSION)
      matches = transactionalId => regex.value.matches(transactionalId)
    }
    const share = new TurnShare(context)
    const states = new Set<string>()
    const unknownStateFilters: string[] = []
    for (const state of stateFilters) {
      if (knownStates.has(state)) states.add(state)
      else unknownStateFilters.push(state)
      const due = share.spend()
      if (due !== undefined) await due
    }
    // No transaction is in a state that nobody knows.
    if (unknownStateFilters.length > 0 && states.size === 0) return { ...refused(ErrorCode.NONE), unknownStateFilters }
    const filters = { states, producerIds: new Set(producerIdFilters), durationMs: durationFilter, matches }
    const { errorCode, transactions: listed } = await transactions.list(filters)
    return { throttleTimeMs: 0, errorCode, unknownStateFilters, transactionStates: [...listed] }
  })
}

const knownStates = new Set<string>(transactionStateNames)

/** DescribeTransactions v0: the state of each transactional id, and the partitions of its open transaction. */
export function serveDescribeTransactions(transactions: TransactionCoordinator): ApiHandler {
  return serve(describeTransactions, { min: 0, max: 0, wide: true }, async ({ transactionalIds }, context) => {
    context.releaseFrame()
    const share = new TurnShare(context)
    const transactionStates: ResponseInput<typeof describeTransactions>['transactionStates'][number][] = []
    for (let from = 0; from < transactionalIds.length; from += describedAtOnce) {
      const some = transactionalIds.slice(from, from + describedAtOnce)
      transactionStates.push(...(await Promise.all(some.map(each => transactions.describe(each)))))
      const due = share.spend(some.length * unitsPerId)
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, transactionStates }
  })
}

const describedAtOnce = 32
/** About what one takes, in microseconds. */
const unitsPerId = 5
