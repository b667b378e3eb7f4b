import assert from 'node:assert/strict'
import type { EndTxnAnswer, InitProducerIdAnswer } from '../../../src/coordinator/transaction/transaction-shard.ts'
import { ErrorCode, errorName } from '../../../src/protocol/index.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import type { TestAsker } from '../../support/shard-turns.ts'
import { type Producer, partition } from '../../support/transactions-shard.ts'
import type { DataPartition, Permit } from './data-partition.ts'
import type { TransactionLife } from './transaction-life.ts'

/** What a client knows of a transaction of its own. */
export interface ClientTransaction {
  readonly name: string
  readonly partitions: Set<string>
  /** What it was told; in doubt while a request to end it may have been carried out without its knowledge. */
  outcome: 'open' | 'in doubt' | 'committed' | 'aborted'
}

/** What clients share: the broker that they ask, and its partitions. */
export interface ClientWorld {
  readonly random: SeededRandom
  readonly life: () => TransactionLife
  readonly partitions: ReadonlyMap<string, DataPartition>
  /** Told of every producer id and epoch that a client was given. `begins`: it was given it to begin anew. */
  given(client: ProducerClient, producer: Producer, begins: boolean): void
  /** Of a request that was carried out: `used` must not have been replaced when its client asked. */
  served(client: ProducerClient, used: Producer, askedAt: number, what: string): void
  /** Whether the coordinator has heard of a transactional id, or has forgotten it. */
  knows(transactionalId: string): boolean
  /** Counts what happens, so that what came first can be told. */
  now(): number
}

interface Pending {
  readonly what: string
  readonly done: () => boolean
  readonly handle: () => void
  /** Asks the same again. */
  readonly again: () => void
}

const asksAgain: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
])

/** A transactional producer, which does as clients do: one request at a time, asked again when its answer got lost. */
export class ProducerClient {
  readonly name: string
  readonly transactionalId: string
  /** 2: it moves its epoch with each transaction; it adds partitions by writing to them. */
  readonly version: 1 | 2
  readonly timeoutMs: number
  /** What it was last given to begin with, and when it heard. */
  begun: (Producer & { readonly heardAt: number }) | undefined
  dead = false
  private readonly world: ClientWorld
  private producer: Producer | undefined
  private transaction: ClientTransaction | undefined
  private readonly transactions: ClientTransaction[] = []
  private pending: Pending | undefined

  constructor(name: string, transactionalId: string, version: 1 | 2, timeoutMs: number, world: ClientWorld) {
    this.name = name
    this.transactionalId = transactionalId
    this.version = version
    this.timeoutMs = timeoutMs
    this.world = world
  }

  /** All that it ever began. */
  get all(): readonly ClientTransaction[] {
    return this.transactions
  }

  /** Its next step; says which. */
  step(): string {
    const { random } = this.world
    const { pending } = this
    if (pending !== undefined) {
      if (pending.done() && random.chance(0.85)) {
        this.pending = undefined
        pending.handle()
        return `heard of ${pending.what}`
      }
      // The answer got lost, or takes too long.
      if (!pending.done() && random.chance(0.6)) return `waits for ${pending.what}`
      pending.again()
      return `${pending.what} again`
    }
    if (this.producer === undefined) return this.begin(undefined)
    if (this.transaction === undefined) {
      // Below version 2 a client that met an error begins again with what it has.
      if (random.chance(0.1)) return this.begin(this.version === 1 && random.chance(0.7) ? this.producer : undefined)
      if (this.version === 2 && random.chance(0.1)) return this.end(random.chance(0.3))
      return this.write()
    }
    // Below version 2 there is nothing to ask for where no partition was added.
    const nothing = this.version === 1 && this.transaction.partitions.size === 0
    if (nothing || random.chance(0.5)) return this.write()
    return this.end(random.chance(0.7))
  }

  private begin(has: Producer | undefined): string {
    // Whatever was open is aborted by it.
    if (this.transaction?.outcome === 'open') this.transaction.outcome = 'aborted'
    this.transaction = undefined
    const ask = (): void => {
      const request = {
        transactionalId: this.transactionalId,
        transactionTimeoutMs: this.timeoutMs,
        producerId: has?.id ?? -1n,
        producerEpoch: has?.epoch ?? -1,
        enable2Pc: false,
        keepPreparedTxn: false,
      }
      const askedAt = this.world.now()
      const known = this.world.knows(this.transactionalId)
      const asker = this.world
        .life()
        .ask<InitProducerIdAnswer>((shard, turn, each) => shard.initProducerId(request, each, turn))
      this.await('init', asker, ask, ({ errorCode, producerId, producerEpoch }) => {
        if (errorCode !== ErrorCode.NONE) {
          this.fatal(errorCode)
          return
        }
        const goesOn = has !== undefined && known
        if (goesOn) this.world.served(this, has, askedAt, 'init')
        this.own({ id: producerId!, epoch: producerEpoch }, !goesOn)
      })
    }
    ask()
    return has === undefined ? 'init' : 'init again with what it has'
  }

  private write(): string {
    const { random } = this.world
    const name = random.pick([...this.world.partitions.keys()])
    const to = this.world.partitions.get(name)!
    const transaction = this.transaction ?? this.newTransaction()
    const producer = this.producer!
    const implicit = this.version === 2
    // The coordinator's version decides whether a write adds its partition, or has to find it added.
    const adds = implicit ? this.world.life().settings.transactionVersion === 2 : !transaction.partitions.has(name)
    const ask = (): void => {
      const permit = to.permit(producer.id)
      this.askPartition(producer, name, !adds, ask, () => {
        transaction.partitions.add(name)
        if (implicit) this.append(to, producer, transaction, permit)
        else if (adds) this.verified(to, name, producer, transaction)
        else this.append(to, producer, transaction, permit)
      })
    }
    ask()
    return `write ${name}`
  }

  /** Below version 2 the partition is added by one request, and found added by what the write asks. */
  private verified(to: DataPartition, name: string, producer: Producer, transaction: ClientTransaction): void {
    const ask = (): void => {
      const permit = to.permit(producer.id)
      this.askPartition(producer, name, true, ask, () => this.append(to, producer, transaction, permit))
    }
    ask()
  }

  private askPartition(
    producer: Producer,
    name: string,
    verifyOnly: boolean,
    again: () => void,
    then: () => void,
  ): void {
    const askedAt = this.world.now()
    const asked = {
      transactionalId: this.transactionalId,
      producerId: producer.id,
      producerEpoch: producer.epoch,
      verifyOnly,
      transactionVersion: this.version === 2 ? 2 : 0,
      partitions: [partition(name)],
    }
    const asker = this.world
      .life()
      .ask<readonly ErrorCode[]>((shard, turn, each) => shard.addPartitions(asked, each, turn))
    this.pending = {
      what: verifyOnly ? `verify ${name}` : `add ${name}`,
      done: () => asker.done,
      again,
      handle: () => {
        const [code] = asker.answer
        assert.ok(code !== undefined)
        if (asksAgain.has(code)) again()
        else if (code === ErrorCode.NONE) {
          this.world.served(this, producer, askedAt, 'partitions')
          then()
        } else if (code === ErrorCode.TRANSACTION_ABORTABLE) this.end(false)
        else this.fatal(code)
      },
    }
  }

  private append(to: DataPartition, producer: Producer, transaction: ClientTransaction, permit: Permit): void {
    // A refusal is fatal to nobody here: what tells is what the coordinator says next.
    to.write(producer, transaction.name, permit)
  }

  private end(committed: boolean): string {
    const transaction = this.transaction ?? this.newTransaction()
    const producer = this.producer!
    let attempts = 0
    const ask = (): void => {
      attempts++
      if (committed) transaction.outcome = 'in doubt'
      const request = {
        transactionalId: this.transactionalId,
        producerId: producer.id,
        producerEpoch: producer.epoch,
        committed,
      }
      const askedAt = this.world.now()
      const apiVersion = this.version === 2 ? 5 : 4
      const asker = this.world
        .life()
        .ask<EndTxnAnswer>((shard, turn, each) => shard.endTxn(request, apiVersion, each, turn))
      this.await('end', asker, ask, ({ errorCode, producerId, producerEpoch }) => {
        if (errorCode !== ErrorCode.NONE) {
          // Nothing but this one attempt can have decided it.
          if (attempts === 1 || !committed) transaction.outcome = 'aborted'
          this.transaction = undefined
          this.fatal(errorCode)
          return
        }
        transaction.outcome = committed ? 'committed' : 'aborted'
        this.transaction = undefined
        this.world.served(this, producer, askedAt, 'end')
        if (this.version === 2) this.own({ id: producerId!, epoch: producerEpoch! }, false)
      })
    }
    ask()
    return committed ? 'commit' : 'abort'
  }

  private await<Answer extends { errorCode: ErrorCode }>(
    what: string,
    asker: TestAsker<Answer>,
    again: () => void,
    handle: (answer: Answer) => void,
  ): void {
    this.pending = {
      what,
      done: () => asker.done,
      again,
      handle: () => {
        if (asksAgain.has(asker.answer.errorCode)) again()
        else handle(asker.answer)
      },
    }
  }

  private newTransaction(): ClientTransaction {
    const name = `${this.name}#${this.transactions.length}`
    this.transaction = { name, partitions: new Set(), outcome: 'open' }
    this.transactions.push(this.transaction)
    return this.transaction
  }

  private own(producer: Producer, begins: boolean): void {
    this.producer = producer
    if (begins) this.begun = { ...producer, heardAt: this.world.now() }
    this.world.given(this, producer, begins)
  }

  /** It may not go on, but with another transaction where that is all that is wrong. */
  private fatal(code: ErrorCode): void {
    const known = [ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.INVALID_TXN_STATE]
    assert.ok(known.includes(code as (typeof known)[number]), errorName(code))
    if (this.transaction?.outcome === 'open') this.transaction.outcome = 'aborted'
    this.transaction = undefined
    if (code === ErrorCode.INVALID_TXN_STATE && this.version === 2) {
      // Its transaction timed out: an abort tells it the next epoch.
      this.end(false)
      return
    }
    this.dead = true
  }
}
