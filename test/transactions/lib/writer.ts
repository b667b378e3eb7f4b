import type { History, WrittenTransaction } from './history.ts'
import { Abortable, Fenced, RawProducer } from './producer.ts'
import { ConnectionLost, Killed, type Surroundings } from './wire.ts'

export interface WriterOptions {
  readonly transactionalId: string
  readonly transactionVersion: 1 | 2
  readonly timeoutMs: number
  readonly topic: string
  readonly partitions: number
  /** Between the steps of a transaction; now and then much longer. */
  readonly pauseMs: number
  /** How long one of its lives lasts on average, before it is killed or left behind as a zombie. */
  readonly lifeMs: number
  /** Lives that are left behind go on: a producer whose process only slept. */
  readonly zombies: boolean
}

/** One producer that has, or had, the transactional id. */
class Life {
  private readonly at: Surroundings
  private readonly history: History
  private readonly options: WriterOptions
  readonly producer: RawProducer
  /** It took the id: from here on another one fences it. */
  begun = false
  /** Another one took the id after it. */
  fenced = false
  /** What it does next is its last transaction. */
  stopping = false

  constructor(at: Surroundings, history: History, options: WriterOptions) {
    this.at = at
    this.history = history
    this.options = options
    this.producer = new RawProducer(at, options)
  }

  /** Until it is fenced, killed or told to stop. */
  async run(): Promise<void> {
    try {
      while (!this.stopping) await this.transaction()
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof Killed)) throw error
    }
  }

  private async transaction(): Promise<void> {
    const { history, options, at, producer } = this
    const transaction = history.begin(options.transactionalId)
    const fencedBefore = this.fenced
    let asked = false
    // Unless it was asked to be committed it must never be seen.
    transaction.outcome = 'aborted'
    try {
      for (let sends = at.random.between(1, 3); sends > 0; sends--) {
        const inFlight = at.random.chance(0.3) ? at.random.between(2, 5) : 1
        await producer.send(...Array.from({ length: inFlight }, () => this.values(transaction)))
        if (fencedBefore) this.wentOn(transaction, 'wrote')
        await producer.pause(at.random.below(options.pauseMs) * (at.random.chance(0.02) ? 50 : 1))
      }
      if (at.random.chance(0.2)) await producer.end(false)
      else {
        asked = true
        await this.commit(transaction, fencedBefore)
      }
    } catch (error) {
      if (!(error instanceof Abortable)) throw error
      if (asked) throw new Fenced(error.message) // It does not know what to go on from.
      await this.abort()
    }
  }

  private async commit(transaction: WrittenTransaction, fencedBefore: boolean): Promise<void> {
    const attempts = { lost: 0 }
    transaction.outcome = 'unknown'
    try {
      await this.producer.end(true, attempts)
      transaction.outcome = 'committed'
      if (fencedBefore) this.wentOn(transaction, 'committed')
    } catch (error) {
      // Refused by the first answer that it got: then nothing was committed.
      if (!(error instanceof Killed) && attempts.lost === 0) transaction.outcome = 'aborted'
      throw error
    }
  }

  private async abort(): Promise<void> {
    try {
      await this.producer.end(false)
      await this.producer.recover()
      // Now and then nothing follows for a while but what is late.
      if (this.at.random.chance(0.4)) await this.producer.pause(this.at.random.below(40 * this.options.pauseMs))
    } catch (error) {
      if (error instanceof Abortable) throw new Fenced(error.message)
      throw error
    }
  }

  /** To at least one partition, and mostly to all of them. */
  private values(transaction: WrittenTransaction): Map<number, string[]> {
    const { at, history, options } = this
    const values = new Map<number, string[]>()
    for (let partition = 0; partition < options.partitions; partition++) {
      if (values.size > 0 && at.random.chance(0.2)) continue
      const count = at.random.between(1, 3)
      values.set(
        partition,
        Array.from({ length: count }, () => history.write(transaction, partition)),
      )
    }
    return values
  }

  private wentOn({ name }: WrittenTransaction, what: string): void {
    this.history.violation(`${name} was begun by a producer that was fenced, and ${what} all the same`)
  }
}

/** A transactional id and its producers, one after the other, until `over` tells; each is done by then. */
export async function writer(
  at: Surroundings,
  history: History,
  options: WriterOptions,
  over: () => boolean,
): Promise<void> {
  const left: Promise<void>[] = []
  const before: Life[] = []
  while (!over()) {
    const life = new Life(at, history, options)
    const older = before.filter(({ begun }) => begun)
    try {
      await life.producer.init()
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof Abortable || error instanceof ConnectionLost)) throw error
      await at.pause(options.pauseMs)
      continue
    }
    life.begun = true
    for (const each of older) each.fenced = true
    before.push(life)
    let ended = false
    const running = life.run().finally(() => {
      ended = true
    })
    running.catch(() => {})
    const untilMs = at.nowMs() + options.lifeMs * (0.5 + at.random.next())
    while (!ended && !over() && at.nowMs() < untilMs) await at.pause(options.pauseMs)
    // Some die with a transaction open and nobody to take over: time must end it.
    if (over() && at.random.chance(0.5)) life.stopping = true
    else if (options.zombies && at.random.chance(0.5)) left.push(running)
    else {
      life.producer.kill()
      if (at.random.chance(0.1)) await at.pause(options.timeoutMs)
    }
    if (life.stopping || ended) await running
    else left.push(running)
  }
  for (const life of before) life.stopping = true
  await Promise.all(left)
}
