import { type Steps, sliceCost } from '../runtime/slices.ts'
import { isIdle } from './transaction-metadata.ts'
import type { TransactionStates } from './transaction-states.ts'

/** Costs, about in microseconds. */
const lookCost = 0.2
const forgetCost = 4

/**
 * Forgets transactional ids that were not used for transactional.id.expiration.ms (KIP-98), as of `nowMs` by the wall clock;
 * a client that comes back is given a producer id that nobody had. Never one of which a transaction is open. Between steps
 * anything may change, so each looks afresh.
 */
export function* expireIds(
  states: TransactionStates,
  expirationMs: number,
  nowMs: number,
  onForgotten: () => void,
): Steps {
  let turn = yield 0
  for (const { transactionalId } of states.all()) {
    const unused = (): boolean => {
      const metadata = states.get(transactionalId)
      return metadata !== undefined && isIdle(metadata) && metadata.lastUpdateMs <= nowMs - expirationMs
    }
    if (!unused()) {
      turn = yield lookCost
      continue
    }
    let done = states.forget(transactionalId, turn)
    if (!done) {
      // The turn's batch is full.
      turn = yield sliceCost
      done = unused() && states.forget(transactionalId, turn)
    }
    if (done) onForgotten()
    turn = yield forgetCost
  }
}
