import type { Turn } from '../runtime/shard.ts'

/** How long a request may wait, however many transactions are ended meanwhile. */
export const longestWaitMs = 1_000
const mostParked = 1_000

/** A request that can go on once the markers of a transaction are in. */
export interface ParkedRequest {
  /** Monotonic time. */
  readonly untilMs: number
  /** Decides it anew. */
  resume(turn: Turn): void
  /** Answers that a transaction is still being ended: the client asks again. */
  giveUp(turn: Turn): void
}

/**
 * Requests that wait for markers, by transactional id, in the order in which they came. Kafka sends them away with
 * CONCURRENT_TRANSACTIONS, and its clients ask again after 20 to 100 ms; markers take less. What a request appends when
 * it goes on joins the batch of the record that says that the markers are in.
 */
export class ParkedRequests {
  private readonly parked = new Map<string, ParkedRequest[]>()
  private count = 0

  get size(): number {
    return this.count
  }

  park(transactionalId: string, request: ParkedRequest, turn: Turn): void {
    if (this.count >= mostParked || request.untilMs <= turn.nowMs) {
      request.giveUp(turn)
      return
    }
    let waiting = this.parked.get(transactionalId)
    if (waiting === undefined) {
      waiting = []
      this.parked.set(transactionalId, waiting)
      this.watch(transactionalId, request.untilMs - turn.nowMs, turn)
    }
    waiting.push(request)
    this.count++
  }

  /** Lets all of them go on; those that meet another transaction being ended are parked again. */
  resume(transactionalId: string, turn: Turn): void {
    const waiting = this.parked.get(transactionalId)
    if (waiting === undefined) return
    this.parked.delete(transactionalId)
    this.count -= waiting.length
    turn.cancel(timerKey(transactionalId))
    for (const request of waiting) request.resume(turn)
  }

  private watch(transactionalId: string, delayMs: number, turn: Turn): void {
    turn.after(timerKey(transactionalId), delayMs, due => this.giveUpLate(transactionalId, due))
  }

  private giveUpLate(transactionalId: string, turn: Turn): void {
    const waiting = this.parked.get(transactionalId)
    if (waiting === undefined) return
    while (waiting.length > 0 && waiting[0]!.untilMs <= turn.nowMs) {
      waiting.shift()!.giveUp(turn)
      this.count--
    }
    if (waiting.length > 0) this.watch(transactionalId, waiting[0]!.untilMs - turn.nowMs, turn)
    else this.parked.delete(transactionalId)
  }
}

const timerKey = (transactionalId: string): string => `parked ${transactionalId}`
