import type { RequestContext } from './serve.ts'

/** Pieces of work (partitions, topics) that a handler does in one turn: about a millisecond of light ones. */
const piecesPerTurn = 1_000

/**
 * Keeps a handler that goes through many partitions from holding up other clients:
 * `const turnOver = pace.step(); if (turnOver !== undefined) await turnOver` for each of them.
 */
export class Pace {
  private readonly context: Pick<RequestContext, 'nextTurn'>
  private left = piecesPerTurn

  constructor(context: Pick<RequestContext, 'nextTurn'>) {
    this.context = context
  }

  /** Undefined while the turn lasts; then a promise of the next one. */
  step(): Promise<void> | undefined {
    if (--this.left >= 0) return undefined
    this.left = piecesPerTurn - 1
    return this.context.nextTurn()
  }
}
