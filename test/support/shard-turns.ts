import assert from 'node:assert/strict'
import type { CoordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import type { Asker, Shard, Turn } from '../../src/coordinator/runtime/shard.ts'

/** A request of a test: `answer` is there once the shard gave it and what it saw is committed. */
export class TestAsker<Response> implements Asker<Response> {
  private given: Response[] = []

  answered(response: Response): void {
    assert.equal(this.given.length, 0, 'a request is answered once')
    this.given.push(response)
  }
  get done(): boolean {
    return this.given.length > 0
  }
  get answer(): Response {
    assert.ok(this.done, 'the request has no answer yet')
    return this.given[0]!
  }
}

interface Waiting {
  readonly dueMs: number
  readonly order: number
  readonly work: (turn: Turn) => void
}

/** Runs the turns of one shard on a virtual clock: the runtime of a test. Commits at once, unless it is told to hold. */
export class ShardTurns {
  nowMs = 0
  /** What the wall clock says when the monotonic one is at 0. */
  wallStartMs = 1_700_000_000_000
  readonly log: CoordinatorRecord[] = []
  /** While true, nothing is committed and no request is answered. */
  holdCommits = false
  /** How large the records of one turn may be together. */
  maxRecordBytes = Number.POSITIVE_INFINITY
  sizeOf: (record: CoordinatorRecord) => number = () => 0
  private readonly shard: Shard
  private readonly waiting = new Map<string, Waiting>()
  private held: (() => void)[] = []
  private orders = 0

  constructor(shard: Shard) {
    this.shard = shard
  }

  /** Gives the shard what another one wrote, as a start does. */
  static replaying(shard: Shard, log: readonly CoordinatorRecord[], nowMs = 0): ShardTurns {
    const turns = new ShardTurns(shard)
    turns.nowMs = nowMs
    for (const record of log) {
      turns.log.push(record)
      shard.replay(record, { offset: turns.log.length - 1, producerId: -1n, producerEpoch: -1 })
    }
    turns.run(turn => shard.loaded(turn))
    return turns
  }

  /** Runs one turn and returns what it appended. */
  run(work: (turn: Turn) => void): CoordinatorRecord[] {
    const before = this.log.length
    work(this.turn())
    return this.log.slice(before)
  }

  /** Asks the shard something. */
  ask<Response>(work: (turn: Turn, asker: Asker<Response>) => void): TestAsker<Response> {
    const asker = new TestAsker<Response>()
    this.run(turn => work(turn, asker))
    return asker
  }

  /** Lets time pass, and what falls due within it happen at its time and in its order. */
  advance(ms: number): void {
    const until = this.nowMs + ms
    while (this.advanceOne(until));
    this.nowMs = until
  }

  /** Lets the next turn come that is due by `untilMs`; false if none is. */
  advanceOne(untilMs = this.nowMs): boolean {
    const next = [...this.waiting].filter(([, { dueMs }]) => dueMs <= untilMs).sort(([, a], [, b]) => before(a, b))[0]
    if (next === undefined) return false
    const [key, { dueMs, work }] = next
    this.waiting.delete(key)
    this.nowMs = Math.max(this.nowMs, dueMs)
    this.run(work)
    return true
  }

  /** Keys of what waits for its time. */
  get timers(): string[] {
    return [...this.waiting.keys()].sort()
  }

  /** Commits what was held back. */
  commit(): void {
    const held = this.held
    this.held = []
    for (const answer of held) answer()
  }

  private turn(): Turn {
    let bytes = 0
    const append = (records: readonly CoordinatorRecord[], apply: boolean): void => {
      for (const record of records) {
        bytes += this.sizeOf(record)
        assert.ok(bytes <= this.maxRecordBytes, 'what a turn appends fits in a batch')
        this.log.push(record)
        if (apply) this.shard.replay(record, { offset: -1, producerId: -1n, producerEpoch: -1 })
      }
    }
    return {
      nowMs: this.nowMs,
      wallMs: this.wallStartMs + this.nowMs,
      append: (...records) => append(records, true),
      appendApplied: (...records) => append(records, false),
      fits: (...records) => records.reduce((sum, record) => sum + this.sizeOf(record), bytes) <= this.maxRecordBytes,
      answer: (asker, response) => {
        if (this.holdCommits) this.held.push(() => asker.answered(response))
        else asker.answered(response)
      },
      after: (key, delayMs, work) => {
        this.waiting.set(key, { dueMs: this.nowMs + delayMs, order: this.orders++, work })
      },
      cancel: key => {
        this.waiting.delete(key)
      },
    }
  }
}

const before = (a: Waiting, b: Waiting): number => a.dueMs - b.dueMs || a.order - b.order
