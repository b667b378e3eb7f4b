import type { RequestContext } from './serve.ts'

/**
 * What a handler with very many things to do may do in one turn of the loop: it spends units, and awaits what `spend`
 * returns when there is something to await. A unit is about a microsecond's work.
 */
export class TurnShare {
  private readonly context: Pick<RequestContext, 'nextTurn'>
  private left = unitsPerTurn

  constructor(context: Pick<RequestContext, 'nextTurn'>) {
    this.context = context
  }

  spend(units = 1): Promise<void> | undefined {
    this.left -= units
    if (this.left > 0) return undefined
    this.left = unitsPerTurn
    return this.context.nextTurn()
  }
}

const unitsPerTurn = 1_000
