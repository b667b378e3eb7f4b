import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/world.ts'
import { Ask, type Held } from './asks.ts'
import type { TurnRecords } from './batch-writer.ts'
import type { CoordinatorRecord } from './record.ts'
import type { Asker, ReplayedFrom, Shard, TransactionalProducer, Turn } from './shard.ts'
import type { ShardTimers, TurnWork } from './shard-timers.ts'

/** A shard and all that goes with it when it is thrown away. */
export class Life<S extends Shard> {
  readonly shard: S
  readonly timers: ShardTimers
  /** Requests that it has not answered. */
  readonly open = new Set<Ask<unknown>>()

  constructor(shard: S, timers: ShardTimers) {
    this.shard = shard
    this.timers = timers
  }
}

/** What turns are made of: one at a time uses the records. */
export interface TurnParts {
  readonly clock: Clock
  readonly records: TurnRecords
}

const thisTurn: ReplayedFrom = { offset: -1, producerId: -1n, producerEpoch: -1 }

/** A turn of one shard, on its way; what it wrote lies in `records` until it is over. */
export class HostTurn<S extends Shard> implements Turn {
  readonly nowMs: number
  readonly wallMs: number
  readonly answers: Held[] = []
  /** Of whose transaction all that it writes becomes part. */
  readonly producer: TransactionalProducer | undefined
  private readonly from: ReplayedFrom
  private readonly parts: TurnParts
  private readonly life: Life<S>
  private readonly maxBatchBytes: number
  private over = false

  constructor(parts: TurnParts, life: Life<S>, maxBatchBytes: number, producer?: TransactionalProducer) {
    this.producer = producer
    this.from = producer === undefined ? thisTurn : { offset: -1, ...producer }
    this.parts = parts
    this.life = life
    this.maxBatchBytes = maxBatchBytes
    this.nowMs = parts.clock.monotonicMs()
    this.wallMs = parts.clock.wallMs()
  }

  end(): void {
    this.over = true
  }

  append(...records: readonly CoordinatorRecord[]): void {
    this.check()
    for (const record of records) {
      this.parts.records.add(record)
      this.life.shard.replay(record, this.from)
    }
  }

  appendApplied(...records: readonly CoordinatorRecord[]): void {
    this.check()
    for (const record of records) this.parts.records.add(record)
  }

  fits(...more: readonly CoordinatorRecord[]): boolean {
    const { records } = this.parts
    let bytes = records.bytes
    for (const record of more) bytes += records.batchBytesOf(record)
    return bytes <= this.maxBatchBytes
  }

  answer<Response>(asker: Asker<Response>, response: Response): void {
    this.check()
    if (asker instanceof Ask) assert(this.life.open.delete(asker as Ask<unknown>), 'a request is answered once')
    this.answers.push({ asker: asker as Asker<unknown>, response })
  }

  after(key: string, delayMs: number, work: TurnWork): void {
    this.check()
    this.life.timers.after(key, delayMs, work)
  }

  cancel(key: string): void {
    this.check()
    this.life.timers.cancel(key)
  }

  private check(): void {
    assert(!this.over, 'a turn is used only while it runs')
  }
}
