import type { ProducerId } from '../base/ids.ts'
import type { TopicPartition } from '../coordinator/transaction/transaction.ts'
import { type AppendFailure, appendFailure } from '../log/append-failure.ts'
import { type VerificationGuard, withoutVerification } from '../log/verification.ts'
import { ErrorCode, errorMessage, errorName } from '../protocol/index.ts'
import type { RecordsView } from '../protocol/records-field.ts'
import {
  attributesAt,
  BatchAttributes,
  baseSequenceAt,
  batchHeaderBytes,
  currentMagic,
  hasProducerIdAt,
  magicAt,
  producerEpochAt,
  producerIdAt,
} from '../records/batch-header.ts'
import type { Partition } from '../replication/partition.ts'
import type { RequestContext } from './serve.ts'

/** The coordinator of transactions, as whoever writes for a transaction asks it. */
export interface TransactionVerifier {
  /** `transaction.partition.verification.enable`: what clients say that they added is looked up. */
  readonly verifies: boolean
  /** The cluster's transaction.version is 2 or above: a write adds its partition to the transaction (KIP-890). */
  readonly addsOnWrite: boolean
  /**
   * Whether the partitions belong to the producer's transaction that is going on; with `add` they are put into it first.
   * A code for each, of the coordinator's own.
   */
  verify(
    transactionalId: string,
    producerId: ProducerId,
    producerEpoch: number,
    partitions: readonly TopicPartition[],
    add: boolean,
  ): Promise<readonly ErrorCode[]>
}

/** From here on clients know that a transaction may have to be aborted, and what tells them so. */
const firstAbortableVersion = 11
/** From here on clients leave it to their writes to add partitions. */
const firstAddingVersion = 12
/** A transaction has one marker in each partition: it makes one answer void. */
const timesAsked = 3

/**
 * What a request with a transactional id needs before it is appended. The first batch of a transaction in a partition is
 * not taken before the coordinator knows the partition (KIP-890): its marker would never come, and committed reads would
 * stop there for ever. Later batches find the transaction open and ask nobody. A marker that is written while the
 * coordinator is asked makes the guard void, so that a late batch never opens a transaction which has already ended.
 */
export class ProduceTransaction {
  /** Why nothing of the request is appended. */
  failure: AppendFailure | undefined
  private readonly verifier: TransactionVerifier
  private readonly transactionalId: string
  private readonly context: RequestContext
  private readonly adds: boolean
  private readonly asks: boolean
  private readonly guards = new Map<Partition, VerificationGuard>()
  private readonly refusals = new Map<Partition, AppendFailure>()
  /** Of the partitions that the coordinator is asked about. */
  private readonly asked = new Map<Partition, { readonly named: TopicPartition; readonly baseSequence: number }>()
  private producerId: ProducerId | undefined
  private producerEpoch = -1

  constructor(verifier: TransactionVerifier, transactionalId: string, context: RequestContext) {
    this.verifier = verifier
    this.transactionalId = transactionalId
    this.context = context
    this.adds = context.apiVersion >= firstAddingVersion && verifier.addsOnWrite
    this.asks = this.adds || verifier.verifies
  }

  /** Takes note of a batch that the request has for a partition. */
  take(topic: string, partition: Partition, records: RecordsView | null): void {
    const { view } = this.context
    if (records === null || records.length < batchHeaderBytes) return
    const { position } = records
    if (magicAt(view, position) !== currentMagic || !hasProducerIdAt(view, position)) return
    if ((attributesAt(view, position) & BatchAttributes.transactional) === 0) return
    const producerId = producerIdAt(view, position)
    const producerEpoch = producerEpochAt(view, position)
    if (this.producerId === undefined) {
      this.producerId = producerId
      this.producerEpoch = producerEpoch
    } else if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) {
      const message = 'The transactional batches of a request are of one producer and one epoch.'
      this.failure = appendFailure(ErrorCode.INVALID_PRODUCER_ID_MAPPING, message)
    }
    if (this.failure !== undefined || !this.asks || this.guards.has(partition)) return
    const baseSequence = baseSequenceAt(view, position)
    const guard = partition.beginVerification(producerId, producerEpoch, baseSequence, this.adds)
    if (guard === undefined) return
    this.guards.set(partition, guard)
    this.asked.set(partition, { named: { topic, partition: partition.index }, baseSequence })
  }

  /** Once every batch was taken note of: undefined when there is nothing to ask for, else fulfilled when it was. */
  ask(): Promise<void> | undefined {
    if (this.failure !== undefined || this.asked.size === 0) return undefined
    return this.askCoordinator(this.producerId!)
  }

  refusalOf(partition: Partition): AppendFailure | undefined {
    return this.refusals.get(partition)
  }

  guardOf(partition: Partition): VerificationGuard | undefined {
    return this.asks ? this.guards.get(partition) : withoutVerification
  }

  private async askCoordinator(producerId: ProducerId): Promise<void> {
    const { verifier, transactionalId, producerEpoch, adds } = this
    let asked = [...this.asked.keys()]
    for (let left = timesAsked; asked.length > 0 && left > 0; left--) {
      const named = asked.map(partition => this.asked.get(partition)!.named)
      const codes = await verifier.verify(transactionalId, producerId, producerEpoch, named, adds)
      asked.forEach((partition, at) => {
        const code = codes[at]!
        if (code !== ErrorCode.NONE) this.refusals.set(partition, refusalAs(code, this.context.apiVersion))
      })
      asked = adds ? asked.filter(partition => this.askAgain(producerId, partition)) : []
    }
  }

  /**
   * The coordinator adds no partition before the markers of the last transaction are in, and some of those may have been
   * written while it was asked. Their epoch is another, so that what it says from then on is about this transaction.
   */
  private askAgain(producerId: ProducerId, partition: Partition): boolean {
    const guard = this.guards.get(partition)
    if (guard === undefined || this.refusals.has(partition) || partition.admits(producerId, guard)) return false
    const { baseSequence } = this.asked.get(partition)!
    const next = partition.beginVerification(producerId, this.producerEpoch, baseSequence, true)
    if (next === undefined) this.guards.delete(partition)
    else this.guards.set(partition, next)
    return next !== undefined
  }
}

/** The coordinator's answer in the words of Produce, as Kafka puts it to clients of that age. */
function refusalAs(code: ErrorCode, apiVersion: number): AppendFailure {
  switch (code) {
    case ErrorCode.PRODUCER_FENCED:
      return appendFailure(ErrorCode.INVALID_PRODUCER_EPOCH, errorMessage(ErrorCode.INVALID_PRODUCER_EPOCH))
    case ErrorCode.TRANSACTION_ABORTABLE:
      return apiVersion < firstAbortableVersion ? notAdded : appendFailure(code, notAdded.message)
    case ErrorCode.INVALID_TXN_STATE:
      return notAdded
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return apiVersion < firstAddingVersion ? tryAgain(code) : appendFailure(code, errorMessage(code))
    case ErrorCode.NETWORK_EXCEPTION:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.NOT_COORDINATOR:
      return tryAgain(code)
    default:
      return appendFailure(code, errorMessage(code))
  }
}

const notAdded = appendFailure(ErrorCode.INVALID_TXN_STATE, 'The partition was not added to the transaction.')

/** Clients that would give up on the coordinator's own code send such a request again, without asking for metadata. */
const tryAgain = (code: ErrorCode): AppendFailure =>
  appendFailure(
    ErrorCode.NOT_ENOUGH_REPLICAS,
    `Whether the partition is part of the transaction could not be told: ${errorName(code)}.`,
  )
