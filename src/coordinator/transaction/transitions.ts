import { assert } from '../../base/assert.ts'
import type { ProducerId } from '../../base/ids.ts'
import type { TopicPartitions } from './topic-partitions.ts'
import { TransactionState } from './transaction.ts'
import {
  epochPerTransaction,
  isEpochExhausted,
  isIdle,
  isPrepared,
  lastEpoch,
  noEpoch,
  noProducerId,
  type TransactionMetadata,
} from './transaction-metadata.ts'

// Each transition is a function from what was to what is next, as Kafka's TransactionMetadata prepares them. Which one is
// taken is decided elsewhere; that it may be taken is asserted here. All fields are named, in one order: to spread what was
// took a twentieth of all that a transaction costs this thread.

/** What a producer begins with. */
export interface Beginning {
  readonly producerId: ProducerId
  readonly producerEpoch: number
  /** What the client had and may ask with again; -1 when nobody before it may go on. */
  readonly lastProducerEpoch: number
  readonly timeoutMs: number
  readonly nowMs: number
}

/** A producer begins: nobody before it goes on, but with `lastProducerEpoch`. */
export function begun(
  transactionalId: string,
  before: TransactionMetadata | undefined,
  { producerId, producerEpoch, lastProducerEpoch, timeoutMs, nowMs }: Beginning,
): TransactionMetadata {
  if (before !== undefined) {
    assert(isIdle(before), 'a producer begins between transactions', { transactionalId, state: before.state })
    const goesUp =
      before.producerId === producerId ? producerEpoch >= before.producerEpoch && producerEpoch < lastEpoch : true
    assert(goesUp, "a producer id's epoch never goes back", {
      transactionalId,
      before: before.producerEpoch,
      next: producerEpoch,
    })
  }
  return {
    transactionalId,
    producerId,
    previousProducerId: before?.producerId ?? producerId,
    nextProducerId: noProducerId,
    producerEpoch,
    lastProducerEpoch,
    timeoutMs,
    state: TransactionState.empty,
    topics: [],
    startMs: -1,
    lastUpdateMs: nowMs,
    clientTransactionVersion: before?.clientTransactionVersion ?? 0,
  }
}

/** Partitions join the transaction, or begin one: with these it has `topics`. */
export function partitionsAdded(
  before: TransactionMetadata,
  topics: readonly TopicPartitions[],
  clientTransactionVersion: number,
  nowMs: number,
): TransactionMetadata {
  const begins = isIdle(before)
  assert(begins || before.state === TransactionState.ongoing, 'partitions join a transaction that is not decided', {
    transactionalId: before.transactionalId,
    state: before.state,
  })
  return {
    transactionalId: before.transactionalId,
    producerId: before.producerId,
    previousProducerId: before.producerId,
    nextProducerId: before.nextProducerId,
    producerEpoch: before.producerEpoch,
    lastProducerEpoch: before.lastProducerEpoch,
    timeoutMs: before.timeoutMs,
    state: TransactionState.ongoing,
    topics,
    startMs: begins ? nowMs : before.startMs,
    lastUpdateMs: nowMs,
    clientTransactionVersion,
  }
}

/** How a transaction is decided. */
export interface Decision {
  readonly committed: boolean
  /** Of who ends it: the client's, or the cluster's where the coordinator does. */
  readonly transactionVersion: number
  /** For a client whose epochs have run out. */
  readonly nextProducerId: ProducerId
  readonly nowMs: number
}

/** The transaction is decided: from here on it only completes. From version 2 on that takes an epoch. */
export function prepared(
  before: TransactionMetadata,
  { committed, transactionVersion, nextProducerId, nowMs }: Decision,
): TransactionMetadata {
  const open = before.state === TransactionState.ongoing
  const bumps = transactionVersion >= epochPerTransaction
  assert(open || (bumps && !committed && isIdle(before)), 'what is decided was open', {
    transactionalId: before.transactionalId,
    state: before.state,
    committed,
  })
  assert(!bumps || !isEpochExhausted(before) || nextProducerId !== noProducerId, 'there is an epoch to go on with', {
    transactionalId: before.transactionalId,
    producerEpoch: before.producerEpoch,
  })
  return {
    transactionalId: before.transactionalId,
    producerId: before.producerId,
    previousProducerId: before.producerId,
    nextProducerId,
    producerEpoch: bumps ? nextEpoch(before) : before.producerEpoch,
    lastProducerEpoch: bumps ? before.producerEpoch : before.lastProducerEpoch,
    timeoutMs: before.timeoutMs,
    state: committed ? TransactionState.prepareCommit : TransactionState.prepareAbort,
    topics: open ? before.topics : [],
    startMs: open ? before.startMs : nowMs,
    lastUpdateMs: nowMs,
    clientTransactionVersion: bumps ? epochPerTransaction : 0,
  }
}

/** The coordinator aborts in place of the client, which is fenced by it: its epoch is no longer the newest. */
export function fenced(before: TransactionMetadata, decision: Omit<Decision, 'committed'>): TransactionMetadata {
  assert(before.state === TransactionState.ongoing, 'the transaction of who is fenced is open', {
    transactionalId: before.transactionalId,
    state: before.state,
  })
  const abort: Decision = { ...decision, committed: false }
  // Version 2 moves the epoch by itself. Below, what the client had is not told either: it may not go on.
  if (decision.transactionVersion >= epochPerTransaction) return prepared(before, abort)
  return prepared({ ...before, producerEpoch: nextEpoch(before), lastProducerEpoch: noEpoch }, abort)
}

/** All markers are in. */
export function completed(before: TransactionMetadata, nowMs: number): TransactionMetadata {
  assert(isPrepared(before), 'what completes was decided', {
    transactionalId: before.transactionalId,
    state: before.state,
  })
  const changesId = before.nextProducerId !== noProducerId
  return {
    transactionalId: before.transactionalId,
    producerId: changesId ? before.nextProducerId : before.producerId,
    previousProducerId: before.producerId,
    nextProducerId: noProducerId,
    producerEpoch: changesId ? 0 : before.producerEpoch,
    lastProducerEpoch: before.lastProducerEpoch,
    timeoutMs: before.timeoutMs,
    state:
      before.state === TransactionState.prepareCommit
        ? TransactionState.completeCommit
        : TransactionState.completeAbort,
    topics: [],
    startMs: before.startMs,
    lastUpdateMs: nowMs,
    clientTransactionVersion: before.clientTransactionVersion,
  }
}

const nextEpoch = ({ producerEpoch }: TransactionMetadata): number => Math.min(producerEpoch + 1, lastEpoch)
