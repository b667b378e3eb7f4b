import assert from 'node:assert/strict'
import { silentLogger } from '../../src/base/logger.ts'
import type { CoordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import type { MarkerJob, TopicPartition, TransactionSettings } from '../../src/coordinator/transaction/transaction.ts'
import {
  type DescribedTransaction,
  type EndTxnAnswer,
  type InitProducerIdAnswer,
  type ListedTransaction,
  type TransactionFilters,
  TransactionShard,
} from '../../src/coordinator/transaction/transaction-shard.ts'
import { ErrorCode, errorName } from '../../src/protocol/index.ts'
import { ShardTurns, type TestAsker } from './shard-turns.ts'

export interface Producer {
  readonly id: bigint
  readonly epoch: number
}

export const transactionSettings: TransactionSettings = {
  maxTimeoutMs: 900_000,
  idExpirationMs: 7 * 86_400_000,
  removeExpiredIntervalMs: 3_600_000,
  verifyPartitions: true,
  twoPhaseCommit: false,
  transactionVersion: 2,
}

/** Versions of EndTxn: the last that leaves the epoch alone, and the first that moves it. */
export const [v1, v2] = [4, 5]
const timeoutMs = 60_000

/** `t-0` as a partition. */
export function partition(name: string): TopicPartition {
  const dash = name.lastIndexOf('-')
  return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)) }
}

/**
 * A shard of transactions on a virtual clock, asked as clients ask, about the transactional id `tx` where no other is
 * named. Answers are short: `7/0` is a producer id and its epoch, else there is the name of a code.
 */
export class TransactionsUnderTest {
  readonly settings: { -readonly [Name in keyof TransactionSettings]: TransactionSettings[Name] }
  /** Of which the markers were asked for, in order; `markersIn` takes them out. */
  readonly jobs: MarkerJob[] = []
  nextProducerId: bigint
  noProducerIds = false
  coordinatorEpoch = 0
  shard: TransactionShard
  turns: ShardTurns

  constructor(settings: Partial<TransactionSettings> = {}, firstProducerId = 7n) {
    this.settings = { ...transactionSettings, ...settings }
    this.nextProducerId = firstProducerId
    this.shard = this.newShard()
    this.turns = new ShardTurns(this.shard)
    this.turns.run(turn => this.shard.loaded(turn))
  }

  get log(): readonly CoordinatorRecord[] {
    return this.turns.log
  }

  /** A start: the shard is made again from the log, `afterMs` later by the clock of the machine. */
  restart(log: readonly CoordinatorRecord[] = this.log, afterMs = 0): void {
    const { nowMs, wallStartMs } = this.turns
    this.jobs.length = 0
    this.coordinatorEpoch++
    this.shard = this.newShard()
    // ShardTurns.replaying would begin with the wall clock of its own.
    const turns = new ShardTurns(this.shard)
    turns.nowMs = nowMs
    turns.wallStartMs = wallStartMs + afterMs
    for (const record of log) {
      turns.log.push(record)
      this.shard.replay(record, { offset: turns.log.length - 1, producerId: -1n, producerEpoch: -1 })
    }
    this.turns = turns
    turns.run(turn => this.shard.loaded(turn))
    turns.advance(0)
  }

  askInit({ id = 'tx', has, ...options }: InitOptions = {}): TestAsker<InitProducerIdAnswer> {
    const request = {
      transactionalId: id,
      transactionTimeoutMs: options.timeoutMs ?? timeoutMs,
      producerId: has?.id ?? -1n,
      producerEpoch: has?.epoch ?? -1,
      enable2Pc: options.enable2Pc ?? false,
      keepPreparedTxn: options.keepPreparedTxn ?? false,
    }
    return this.turns.ask((turn, asker) => this.shard.initProducerId(request, asker, turn))
  }

  init(options?: InitOptions): string {
    return shown(this.askInit(options))
  }

  /** A producer that has begun. */
  producer(options?: InitOptions): Producer {
    const { errorCode, producerId, producerEpoch } = this.askInit(options).answer
    assert.equal(errorName(errorCode), 'NONE')
    return { id: producerId!, epoch: producerEpoch }
  }

  /** A producer with the last epoch that a client is given; the shard is made again from a log that says so. */
  lastProducer(): Producer {
    const producer = this.producer()
    const log = [...this.log]
    const { value, ...record } = log.pop()!
    log.push({ ...record, value: { ...value, producerEpoch: 32_766 } })
    this.restart(log)
    return { id: producer.id, epoch: 32_766 }
  }

  askAdd({ id, epoch }: Producer, names: readonly string[], options: AddOptions = {}): TestAsker<readonly ErrorCode[]> {
    const asked = {
      transactionalId: options.id ?? 'tx',
      producerId: id,
      producerEpoch: epoch,
      verifyOnly: options.verifyOnly ?? false,
      transactionVersion: options.version ?? 2,
      partitions: names.map(partition),
    }
    return this.turns.ask((turn, asker) => this.shard.addPartitions(asked, asker, turn))
  }

  /** The code that all partitions got, or theirs. */
  add(producer: Producer, names: readonly string[] = ['t-0'], options?: AddOptions): string {
    return shownCodes(this.askAdd(producer, names, options))
  }

  verify(producer: Producer, names: readonly string[] = ['t-0'], options: AddOptions = {}): string {
    return this.add(producer, names, { ...options, verifyOnly: true })
  }

  askEnd({ id, epoch }: Producer, committed: boolean, options: EndOptions = {}): TestAsker<EndTxnAnswer> {
    const request = { transactionalId: options.id ?? 'tx', producerId: id, producerEpoch: epoch, committed }
    return this.turns.ask((turn, asker) => this.shard.endTxn(request, options.version ?? v2, asker, turn))
  }

  end(producer: Producer, committed: boolean, options?: EndOptions): string {
    return shown(this.askEnd(producer, committed, options))
  }

  commit(producer: Producer, options?: EndOptions): string {
    return this.end(producer, true, options)
  }

  abort(producer: Producer, options?: EndOptions): string {
    return this.end(producer, false, options)
  }

  /** The markers of the first job are in, or of `job`. */
  markersIn(job: MarkerJob | undefined = this.jobs.shift()): CoordinatorRecord[] {
    assert.ok(job !== undefined, 'markers were asked for')
    return this.turns.run(turn => this.shard.markersWritten(job, turn))
  }

  describe(id = 'tx'): DescribedTransaction {
    return this.turns.ask<DescribedTransaction>((turn, asker) => this.shard.describe(id, asker, turn)).answer
  }

  /** `Ongoing 7/0`, or the name of a code. */
  state(id = 'tx'): string {
    const { errorCode, transactionState, producerId, producerEpoch } = this.describe(id)
    return errorCode === ErrorCode.NONE ? `${transactionState} ${producerId}/${producerEpoch}` : errorName(errorCode)
  }

  list(filters: Partial<TransactionFilters> = {}): readonly ListedTransaction[] {
    const all: TransactionFilters = { states: new Set(), producerIds: new Set(), durationMs: -1, ...filters }
    const asked = this.turns.ask<readonly ListedTransaction[]>((turn, asker) => this.shard.list(all, asker, turn))
    this.turns.advance(0)
    return asked.answer
  }

  private newShard(): TransactionShard {
    return new TransactionShard({
      settings: this.settings,
      coordinatorEpoch: this.coordinatorEpoch,
      logger: silentLogger,
      takeProducerId: () => (this.noProducerIds ? undefined : this.nextProducerId++),
      writeMarkers: job => {
        this.jobs.push(job)
      },
    })
  }
}

export interface InitOptions {
  readonly id?: string
  /** What the client says that it has. */
  readonly has?: Producer
  readonly timeoutMs?: number
  readonly enable2Pc?: boolean
  readonly keepPreparedTxn?: boolean
}

export interface AddOptions {
  readonly id?: string
  readonly verifyOnly?: boolean
  readonly version?: number
}

export interface EndOptions {
  readonly id?: string
  /** Of the request. */
  readonly version?: number
}

/** What a request for a producer id or for the end of a transaction was answered. */
export function shown(asker: TestAsker<InitProducerIdAnswer | EndTxnAnswer>): string {
  if (!asker.done) return 'waits'
  const { errorCode, producerId, producerEpoch } = asker.answer
  if (errorCode !== ErrorCode.NONE) return errorName(errorCode)
  return producerId === -1n ? 'NONE' : `${producerId}/${producerEpoch}`
}

export function shownCodes(asker: TestAsker<readonly ErrorCode[]>): string {
  if (!asker.done) return 'waits'
  return [...new Set(asker.answer.map(errorName))].join(' ')
}

/** Of `7/0`. */
export function producerOf(text: string): Producer {
  const [id, epoch] = text.split('/')
  return { id: BigInt(id!), epoch: Number(epoch) }
}

/** What a record of the log says, short. */
export function shownRecord(record: CoordinatorRecord): string {
  const { transactionalId } = record.key as { transactionalId: string }
  if (record.value === null) return `${transactionalId} is forgotten`
  const value = record.value as { transactionStatus: number; producerId: bigint; producerEpoch: number }
  return `${transactionalId} ${stateNames[value.transactionStatus]} ${value.producerId}/${value.producerEpoch}`
}

const stateNames = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort']
