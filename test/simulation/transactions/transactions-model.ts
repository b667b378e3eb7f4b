import assert from 'node:assert/strict'
import { type CoordinatorRecord, coordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import type { Turn } from '../../../src/coordinator/runtime/shard.ts'
import type {
  DescribedTransaction,
  ListedTransaction,
  TransactionShard,
} from '../../../src/coordinator/transaction/transaction-shard.ts'
import { ErrorCode, errorName } from '../../../src/protocol/index.ts'
import { transactionLogRecord } from '../../../src/protocol/records-schema/transaction-log.ts'
import { SeededRandom } from '../../support/seeded-random.ts'
import { type ShardTurns, TestAsker } from '../../support/shard-turns.ts'
import { type Producer, partition } from '../../support/transactions-shard.ts'
import { compacted } from '../groups/shard-life.ts'
import { DataPartition, type Fate } from './data-partition.ts'
import { type ClientTransaction, type ClientWorld, ProducerClient } from './producer-client.ts'
import { type Settings, TransactionLife } from './transaction-life.ts'
import { TransactionLogCheck } from './transaction-log-check.ts'

const transactionalIds = ['a', 'b']
const partitionNames = ['t-0', 't-1', 'u-0']
const timeouts = [1_000, 10_000]
const steps = 120
/** How long a request may wait for markers. */
const patienceMs = 1_000
/** Longer than any timeout here. */
const longMs = 20_000
const retryMs = 100

/**
 * Producers of both versions, live ones and those that were replaced, on a shard that is killed, that loses what it appended,
 * and whose log is compacted, while the cluster's version changes. Held to: each transaction is committed or aborted as a whole,
 * and as its client was told; who was replaced is served no more; nobody is given what somebody else has; a decision stands and is
 * carried out; no transaction stays open beyond its timeout; whoever asks is answered; what was logged makes the same shard again.
 */
export function runTransactionsSequence(seed: number): void {
  const sequence = new TransactionsSequence(seed)
  for (let step = 0; step < steps; step++) sequence.step()
  sequence.end()
}

class TransactionsSequence {
  private readonly random: SeededRandom
  private readonly partitions = new Map(partitionNames.map(name => [name, new DataPartition(name)]))
  private readonly settings: Settings
  private readonly life: TransactionLife
  private readonly clients: ProducerClient[] = []
  private readonly producers = new Map<bigint, string>()
  /** Who was given a producer id and epoch. */
  private readonly givenTo = new Map<string, ProducerClient>()
  private readonly openSinceMs = new Map<string, { readonly startMs: number; readonly seenMs: number }>()
  private readonly done: string[] = []
  private check: TransactionLogCheck
  private moments = 0

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.settings = { transactionVersion: this.random.pick([2, 2, 1, 0]), idExpirationMs: 7_200_000 }
    const log = this.random.chance(0.4) ? transactionalIds.map((id, at) => nearlyExhausted(id, BigInt(at + 1))) : []
    this.life = new TransactionLife(this.settings, log, (job, { topic, partition: index }) =>
      this.partitions.get(`${topic}-${index}`)!.mark(job),
    )
    this.check = this.newCheck()
    this.check.look(log, true)
  }

  step(): void {
    const [name, act] = this.random.pick(this.actions())
    this.run(name, () => {
      act()
      this.look()
      this.checkTimeouts()
      this.checkAnswers()
      if (this.random.chance(0.05)) this.checkReplay()
    })
  }

  /** All that is on its way arrives, and time passes until nothing can be open any more. */
  end(): void {
    this.run('end', () => {
      this.life.noProducerIds = false
      this.life.release()
      this.look()
      for (let round = 0; round < 3; round++) {
        this.life.turns.advance(longMs)
        this.life.writeMarkers(1_000, this.random)
        this.look()
      }
      assert.equal(this.life.unanswered, 0, 'whoever asks is answered')
      assert.equal(this.life.jobs, 0)
      for (const { transactionalId, transactionState } of list(this.life.turns, this.life.shard))
        assert.match(transactionState, /^(Empty|Complete)/, `${transactionalId} is over`)
      for (const [name, each] of this.partitions) assert.ok(!each.hasOpen(), `nothing is open in ${name}`)
      this.checkTransactions()
      this.checkReplay()
    })
  }

  private run(name: string, act: () => void): void {
    this.done.push(name)
    try {
      act()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      throw new Error(`after ${this.done.join(', ')}: ${message}`, { cause: error })
    }
  }

  private actions(): [name: string, act: () => void][] {
    const { life, random } = this
    const work: [string, () => void][] = [
      ['client', () => this.clientStep()],
      ['client', () => this.clientStep()],
      ['client', () => this.clientStep()],
      ['client', () => this.clientStep()],
      ['client', () => this.clientStep()],
      ['markers', () => life.writeMarkers(1 + random.below(4), random)],
      ['markers', () => life.writeMarkers(1 + random.below(4), random)],
    ]
    const rare: [string, () => void][] = [
      ['new client', () => this.newClient()],
      ['pass', () => life.turns.advance(random.below(300))],
      ['wait', () => life.turns.advance(random.below(3_000))],
      ['hold', () => life.hold()],
      ['release', () => life.release()],
      ['release', () => life.release()],
      ['stranger', () => this.strangerAsks()],
      ['second thoughts', () => this.secondThoughts()],
      ['replaced job', () => life.tellReplaced()],
    ]
    const seldom: [string, () => void][] = [
      ['long wait', () => life.turns.advance(longMs)],
      ['very long wait', () => life.turns.advance(random.below(9_000_000))],
      ['crash', () => this.crash()],
      ['crash', () => this.crash()],
      ['lost appends', () => this.lose()],
      ['version', () => this.changeVersion()],
      [
        'producer ids',
        () => {
          life.noProducerIds = !life.noProducerIds
        },
      ],
    ]
    const drawn = random.next()
    return drawn < 0.75 ? work : drawn < 0.93 ? rare : seldom
  }

  private clientStep(): void {
    const living = this.clients.filter(({ dead }) => !dead)
    if (living.length === 0) {
      this.newClient()
      return
    }
    const client = this.random.pick(living)
    const did = client.step()
    this.done[this.done.length - 1] = `${client.name} ${did}`
  }

  private newClient(): void {
    const { random } = this
    const transactionalId = random.pick(transactionalIds)
    const version = this.settings.transactionVersion === 2 && random.chance(0.8) ? 2 : 1
    const name = `${transactionalId}${this.clients.length}v${version}`
    this.done[this.done.length - 1] = `new ${name}`
    this.clients.push(new ProducerClient(name, transactionalId, version, random.pick(timeouts), this.world()))
  }

  private world(): ClientWorld {
    return {
      random: this.random,
      life: () => this.life,
      partitions: this.partitions,
      now: () => ++this.moments,
      knows: id => describe(this.life.turns, this.life.shard, id).errorCode === ErrorCode.NONE,
      given: (client, producer, begins) => this.given(client, producer, begins),
      served: (client, used, askedAt, what) => {
        for (const { name, transactionalId, begun } of this.clients) {
          if (transactionalId !== client.transactionalId || begun === undefined || !isNewer(begun, used)) continue
          assert.ok(begun.heardAt > askedAt, `${client.name} was replaced by ${name}, and its ${what} succeeded`)
        }
      },
    }
  }

  private given(client: ProducerClient, { id, epoch }: Producer, begins: boolean): void {
    assert.ok(epoch < 32_767, 'the last epoch is for fencing')
    const key = `${id}/${epoch}`
    const owner = this.givenTo.get(key)
    assert.ok(owner === undefined || owner === client, `${key} was given to ${owner?.name}, and to ${client.name}`)
    if (begins && owner !== undefined) assert.equal(owner, client)
    this.givenTo.set(key, client)
  }

  /** Somebody asks with what it cannot have: nothing may come of it. */
  private strangerAsks(): void {
    const { random, life } = this
    const transactionalId = random.pick([...transactionalIds, 'nobody'])
    const { producerId, producerEpoch, errorCode } = describe(life.turns, life.shard, transactionalId)
    const known = errorCode === ErrorCode.NONE
    const foreign: Producer = random.pick([
      { id: producerId, epoch: producerEpoch + 2 },
      { id: 9_999n, epoch: producerEpoch },
      { id: -1n, epoch: -1 },
      { id: producerId, epoch: -1 },
    ])
    if (known && foreign.epoch > 32_767) return
    const written = life.turns.log.length
    const end = life.ask<{ errorCode: ErrorCode }>((shard, turn, asker) =>
      shard.endTxn(
        { transactionalId, producerId: foreign.id, producerEpoch: foreign.epoch, committed: random.chance(0.5) },
        random.pick([4, 5]),
        asker,
        turn,
      ),
    )
    const add = life.ask<readonly ErrorCode[]>((shard, turn, asker) =>
      shard.addPartitions(
        {
          transactionalId,
          producerId: foreign.id,
          producerEpoch: foreign.epoch,
          verifyOnly: random.chance(0.5),
          transactionVersion: 2,
          partitions: [partition('t-0')],
        },
        asker,
        turn,
      ),
    )
    assert.equal(life.turns.log.length, written, 'a stranger changes nothing')
    const codes = [...(end.done ? [end.answer.errorCode] : []), ...(add.done ? add.answer : [])].map(errorName)
    for (const code of codes) assert.match(code, /^(PRODUCER_FENCED|INVALID_PRODUCER_ID_MAPPING)$/)
  }

  /** Somebody wants the last transaction below version 2 ended the other way: it is decided. */
  private secondThoughts(): void {
    const { random, life } = this
    const transactionalId = random.pick(transactionalIds)
    const { producerId, producerEpoch, transactionState } = describe(life.turns, life.shard, transactionalId)
    const decided = /^(?:Prepare|Complete)(Commit|Abort)$/.exec(transactionState)
    if (decided === null) return
    const written = life.turns.log.length
    const request = { transactionalId, producerId, producerEpoch, committed: decided[1] === 'Abort' }
    const asker = life.ask<{ errorCode: ErrorCode }>((shard, turn, each) => shard.endTxn(request, 4, each, turn))
    assert.equal(life.turns.log.length, written, 'what is decided stands')
    if (asker.done) assert.equal(errorName(asker.answer.errorCode), 'INVALID_TXN_STATE')
  }

  private crash(): void {
    const { random } = this
    const clockJumps = random.chance(0.2)
    this.life.crash(random.pick([0, random.next(), 1]), clockJumps ? random.between(-50_000, 50_000) : 0, log =>
      random.chance(0.3) ? compacted(log) : log,
    )
    this.newLife()
  }

  private lose(): void {
    const whole = this.random.chance(0.5)
    this.life.lose(whole ? 1 : this.random.next(), whole && this.random.chance(0.5))
    this.newLife()
  }

  /** A start has looked at its log, and has written what follows from it. */
  private newLife(): void {
    const { turns, found } = this.life
    this.check = this.newCheck()
    this.check.look(turns.log.slice(0, found), true)
    this.openSinceMs.clear()
    turns.advance(0)
  }

  private changeVersion(): void {
    this.settings.transactionVersion = this.random.pick([0, 1, 2, 2])
    this.done[this.done.length - 1] = `version ${this.settings.transactionVersion}`
  }

  private newCheck(): TransactionLogCheck {
    return new TransactionLogCheck(this.producers, (partitions, producerId) => {
      for (const name of partitions)
        assert.ok(!this.partitions.get(name)!.hasOpen(producerId), `the marker of ${producerId} is in ${name}`)
    })
  }

  private look(): void {
    this.check.look(this.life.turns.log)
  }

  /** Nothing is open for longer than its client said, as far as this life of the shard has seen. */
  private checkTimeouts(): void {
    const { turns, shard, noProducerIds } = this.life
    for (const transactionalId of transactionalIds) {
      const each = describe(turns, shard, transactionalId)
      const since = this.openSinceMs.get(transactionalId)
      if (each.transactionState !== 'Ongoing' || noProducerIds) this.openSinceMs.delete(transactionalId)
      else if (since?.startMs !== each.transactionStartTimeMs) {
        const seenMs = turns.nowMs
        this.openSinceMs.set(transactionalId, { startMs: each.transactionStartTimeMs, seenMs })
      } else
        assert.ok(
          turns.nowMs - since.seenMs <= each.transactionTimeoutMs + retryMs,
          `${transactionalId} is open for longer than its timeout`,
        )
    }
  }

  /** Whoever waits for markers goes on when they are in, or is told to ask again. */
  private checkAnswers(): void {
    const { life } = this
    if (life.turns.holdCommits) return
    assert.ok(life.waitedMs <= patienceMs, 'nobody waits for long')
    if (life.jobs === 0) assert.equal(life.unanswered, 0, 'nobody waits for nothing')
  }

  private checkReplay(): void {
    const { shard, turns } = this.life
    const again = this.life.replayed()
    assert.deepEqual(list(turns, again), list(turns, shard))
    for (const id of transactionalIds) assert.deepEqual(describe(turns, again, id), describe(turns, shard, id))
  }

  private checkTransactions(): void {
    const fates = new Map<string, Set<Fate>>()
    for (const each of this.partitions.values()) {
      for (const [transaction, fate] of each.fates()) {
        const known = fates.get(transaction) ?? new Set<Fate>()
        fates.set(transaction, known.add(fate))
      }
    }
    for (const client of this.clients)
      for (const transaction of client.all) checkFate(transaction, fates.get(transaction.name) ?? new Set())
  }
}

/** The ids of a transactional id go up, and the epochs of each. */
const isNewer = (one: Producer, other: Producer): boolean =>
  one.id > other.id || (one.id === other.id && one.epoch > other.epoch)

function checkFate({ name, outcome }: ClientTransaction, fates: ReadonlySet<Fate>): void {
  assert.ok(fates.size <= 1, `all of ${name}, or nothing: ${[...fates]}`)
  const [fate] = fates
  if (fate === undefined || outcome === 'in doubt') return
  assert.equal(fate, outcome === 'committed' ? 'committed' : 'aborted', `${name} was ${outcome} for its client`)
}

const describe = (turns: ShardTurns, shard: TransactionShard, id: string): DescribedTransaction =>
  told<DescribedTransaction>(turns, (turn, asker) => shard.describe(id, asker, turn))

function list(turns: ShardTurns, shard: TransactionShard): ListedTransaction[] {
  const all = { states: new Set<string>(), producerIds: new Set<bigint>(), durationMs: -1 }
  const listed = told<readonly ListedTransaction[]>(turns, (turn, asker) => shard.list(all, asker, turn))
  return [...listed].sort((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1))
}

/** What the shard says at once, whatever is committed: in a turn that nobody notes. */
function told<T>({ nowMs, wallStartMs }: ShardTurns, ask: (turn: Turn, asker: TestAsker<T>) => void): T {
  const asker = new TestAsker<T>()
  const never = (): never => assert.fail('only looks')
  const turn: Turn = {
    nowMs,
    wallMs: wallStartMs + nowMs,
    append: never,
    appendApplied: never,
    fits: never,
    answer: (each, response) => each.answered(response),
    after: never,
    cancel: never,
  }
  ask(turn, asker)
  return asker.answer
}

/** A transactional id whose producer id has only a few epochs left. */
function nearlyExhausted(transactionalId: string, producerId: bigint): CoordinatorRecord {
  return coordinatorRecord(
    transactionLogRecord,
    { transactionalId },
    {
      producerId,
      previousProducerId: producerId,
      nextProducerId: -1n,
      producerEpoch: 32_760,
      nextProducerEpoch: -1,
      transactionTimeoutMs: 1_000,
      transactionStatus: 0,
      transactionPartitions: null,
      transactionLastUpdateTimestampMs: 1_700_000_000_000,
      transactionStartTimestampMs: -1,
      clientTransactionVersion: 0,
    },
  )
}
