import type { CoordinatorRecord } from './record.ts'

/** A request that waits for its answer. Shards keep it and hand it to `Turn.answer`, once; nothing else is theirs. */
export interface Asker<Response> {
  /** For the runtime alone, when everything that the shard saw is committed. */
  answered(response: Response): void
}

/**
 * One piece of work on a shard: a request, a timer, news of topics. It runs to its end at once, with nothing else in
 * between. What it appends is one batch with what it appended, whole or absent after a crash.
 */
export interface Turn {
  /** Monotonic: for sessions and timeouts. */
  readonly nowMs: number
  /** Since the epoch: for stamps that are stored. */
  readonly wallMs: number
  /**
   * Writes records. Each is given to the shard's `replay` before this returns: logged state changes in no other way, so
   * what recovery makes of the log is what was there. If the log does not take them, the shard is thrown away and made
   * again from the log.
   */
  append(...records: readonly CoordinatorRecord[]): void
  /** The same for records that tell what the shard has done already, and that it must not replay on itself. */
  appendApplied(...records: readonly CoordinatorRecord[]): void
  /**
   * Whether the topic takes these records in one batch with what this turn has appended; appending what it does not take is a
   * mistake of the caller.
   */
  fits(...records: readonly CoordinatorRecord[]): boolean
  /** Answers a request, of this turn or an earlier one, as soon as all that was appended until now is committed. */
  answer<Response>(asker: Asker<Response>, response: Response): void
  /** Runs `work` in a turn of its own, `delayMs` from now; takes the place of what waited under the same key. */
  after(key: string, delayMs: number, work: (turn: Turn) => void): void
  /** Forgets what waits under `key`, if anything does. */
  cancel(key: string): void
}

/** Whose transaction records become part of. */
export interface TransactionalProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** Where a record that is replayed stands, beside its content; the producer is -1 when it is part of no transaction. */
export interface ReplayedFrom extends TransactionalProducer {
  /** -1 for a record of this turn, whose offset is not known yet. */
  readonly offset: number
}

/**
 * The state of one partition of a coordinator's topic, as a pure state machine: it knows no disk, no clock and no
 * network, and each of its requests is a function of it, the request and a Turn.
 */
export interface Shard {
  /** Applies a record, of the log or of the turn. */
  replay(record: CoordinatorRecord, from: ReplayedFrom): void
  /** A transaction of which records were replayed has ended. */
  replayTransactionEnd(producerId: bigint, producerEpoch: number, committed: boolean): void
  /** The whole log was replayed: from here on there are turns. */
  loaded(turn: Turn): void
}
