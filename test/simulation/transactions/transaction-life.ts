import { silentLogger } from '../../../src/base/logger.ts'
import type { CoordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import type { Turn } from '../../../src/coordinator/runtime/shard.ts'
import type { MarkerJob, TopicPartition } from '../../../src/coordinator/transaction/transaction.ts'
import { TransactionShard } from '../../../src/coordinator/transaction/transaction-shard.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { TestAsker } from '../../support/shard-turns.ts'
import { transactionSettings } from '../../support/transactions-shard.ts'
import { NotedTurns } from '../groups/shard-life.ts'

type Work<Response> = (shard: TransactionShard, turn: Turn, asker: TestAsker<Response>) => void

/** A job on its way, and the partitions that have not got their marker. */
interface Writing {
  readonly job: MarkerJob
  readonly left: TopicPartition[]
}

interface Waiting {
  readonly asker: TestAsker<unknown>
  readonly sinceMs: number
}

export interface Settings {
  transactionVersion: number
  readonly idExpirationMs: number
}

/** A shard of transactions from one crash to the next, the log that its lives share, and who writes its markers. */
export class TransactionLife {
  readonly settings: Settings
  shard: TransactionShard
  turns: NotedTurns
  noProducerIds = false
  /** How many records this life has found in its log. */
  found = 0
  /** By transactional id. */
  private writings = new Map<string, Writing>()
  private readonly mark: (job: MarkerJob, partition: TopicPartition) => void
  private nextProducerId = 100n
  private coordinatorEpoch = 0
  /** Requests of this life that have no answer. */
  private open: Waiting[] = []
  /** Jobs that took the place of unfinished ones: what is told of those is to be taken for nothing. */
  private readonly replaced: MarkerJob[] = []

  constructor(
    settings: Settings,
    log: readonly CoordinatorRecord[],
    mark: (job: MarkerJob, partition: TopicPartition) => void,
  ) {
    this.settings = settings
    this.mark = mark
    this.shard = this.newShard()
    this.turns = this.begin(this.shard, log, 0, undefined)
  }

  ask<Response>(work: Work<Response>): TestAsker<Response> {
    this.open = this.open.filter(({ asker }) => !asker.done)
    const asker = new TestAsker<Response>()
    this.open.push({ asker: asker as TestAsker<unknown>, sinceMs: this.turns.nowMs })
    this.turns.run(turn => work(this.shard, turn, asker))
    return asker
  }

  get unanswered(): number {
    return this.open.filter(({ asker }) => !asker.done).length
  }

  /** For how long the first request that has no answer has waited. */
  get waitedMs(): number {
    const first = this.open.find(({ asker }) => !asker.done)
    return first === undefined ? 0 : this.turns.nowMs - first.sinceMs
  }

  get jobs(): number {
    return this.writings.size
  }

  hold(): void {
    this.turns.holdCommits = true
  }

  release(): void {
    this.turns.holdCommits = false
    this.turns.commit()
  }

  /** Who wrote the markers of a job that was replaced is done with it all the same. */
  tellReplaced(): void {
    const job = this.replaced.shift()
    if (job !== undefined) this.turns.run(turn => this.shard.markersWritten(job, turn))
  }

  /** Writes markers, one at a time, until as many were written or there are none to write. */
  writeMarkers(count: number, random: SeededRandom): void {
    for (let written = 0; written < count && this.writings.size > 0; written++) {
      const writing = random.pick([...this.writings.values()])
      const { job, left } = writing
      const [partition] = left.splice(random.below(left.length), 1)
      if (partition !== undefined) this.mark(job, partition)
      if (left.length > 0) continue
      this.writings.delete(job.transactionalId)
      this.turns.run(turn => this.shard.markersWritten(job, turn))
    }
  }

  /** The broker is killed: of what was not committed, `kept` of the turns are in the log that the next one finds. */
  crash(kept: number, wallAheadMs: number, change: (log: CoordinatorRecord[]) => CoordinatorRecord[]): void {
    this.writings = new Map()
    this.coordinatorEpoch++
    this.next(this.cut(kept), wallAheadMs, change)
  }

  /**
   * The log did not take what was appended last: the shard is made again from what it has. Whoever writes markers goes on
   * with what a shard asked for that is no more. `told`: all was taken and committed, and who waits is answered first.
   */
  lose(kept: number, told: boolean): void {
    if (told) this.turns.commit()
    this.next(this.cut(kept), 0, log => log)
  }

  /** A shard that was made from this one's log, to be compared with it. */
  replayed(): TransactionShard {
    const shard = this.newShard(() => {})
    this.begin(shard, this.turns.log, this.turns.nowMs, this.turns.wallStartMs, true)
    return shard
  }

  private cut(kept: number): CoordinatorRecord[] {
    const { log, ends, committed } = this.turns
    const cuts = ends.filter(end => end >= committed)
    return log.slice(0, cuts[Math.min(Math.floor(kept * cuts.length), cuts.length - 1)] ?? log.length)
  }

  private next(
    log: CoordinatorRecord[],
    wallAheadMs: number,
    change: (log: CoordinatorRecord[]) => CoordinatorRecord[],
  ): void {
    const { nowMs, wallStartMs } = this.turns
    this.open = []
    this.shard = this.newShard()
    const kept = change(log)
    this.found = kept.length
    this.turns = this.begin(this.shard, kept, nowMs, wallStartMs + wallAheadMs)
  }

  private begin(
    shard: TransactionShard,
    log: readonly CoordinatorRecord[],
    nowMs: number,
    wallStartMs: number | undefined,
    quiet = false,
  ): NotedTurns {
    const turns = new NotedTurns(shard)
    turns.nowMs = nowMs
    if (wallStartMs !== undefined) turns.wallStartMs = wallStartMs
    for (const record of log) {
      turns.log.push(record)
      shard.replay(record, { offset: turns.log.length - 1, producerId: -1n, producerEpoch: -1 })
    }
    turns.ends.push(turns.log.length)
    turns.committed = turns.log.length
    if (!quiet) turns.run(turn => shard.loaded(turn))
    return turns
  }

  private newShard(writeMarkers = (job: MarkerJob) => this.take(job)): TransactionShard {
    const { settings } = this
    return new TransactionShard({
      settings: {
        ...transactionSettings,
        idExpirationMs: settings.idExpirationMs,
        get transactionVersion() {
          return settings.transactionVersion
        },
      },
      coordinatorEpoch: this.coordinatorEpoch,
      logger: silentLogger,
      takeProducerId: () => (this.noProducerIds ? undefined : this.nextProducerId++),
      writeMarkers,
    })
  }

  private take(job: MarkerJob): void {
    const before = this.writings.get(job.transactionalId)
    if (before !== undefined) this.replaced.push(before.job)
    this.writings.set(job.transactionalId, { job, left: [...job.partitions] })
  }
}
