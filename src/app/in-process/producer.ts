import type { Clock, Timers } from '../../base/world.ts'
import { ErrorCode, type Uuid } from '../../protocol/index.ts'
import { produce } from '../../protocol/schema/produce.ts'
import { batchHeaderBytes } from '../../records/batch-header.ts'
import { buildBatch, type RecordInput } from '../../records/record-batch.ts'
import type { LocalChannel } from '../../server/local-channel.ts'
import { kafkaError } from './kafka-error.ts'
import { recordBytes } from './records.ts'

/** `written`: it survives a crash of this process. `durable`: it survives a loss of power; Kafka's acks=1 and acks=all. */
export type Acks = 'written' | 'durable'

export interface Place {
  readonly topicId: Uuid
  readonly partition: number
  readonly acks: Acks
  /** max.message.bytes of the topic. */
  readonly maxBatchBytes: number
}

/** A batch is closed before it grows beyond this, whatever its topic allows. */
const batchBytes = 1 << 20
/** Records of these bytes may wait for their acknowledgement; appends beyond them wait to be taken in. */
const maxHeldBytes = 64 << 20
/** Longer than any disk may take: an append ends with its acknowledgement, or with its log. */
const timeoutMs = 120_000
/** Topics by id, verdicts on single records. */
const produceVersion = 13

/** Who waits for records of one batch: from its record `at` on. */
interface Claim {
  readonly at: number
  readonly resolve: (offset: number) => void
  readonly reject: (error: unknown) => void
}

interface OpenBatch {
  readonly place: Place
  readonly records: RecordInput[]
  readonly claims: Claim[]
  bytes: number
}

/**
 * Appends of this process: what one loop turn appends to a partition becomes one batch, and so does what is appended by
 * one call, as far as a batch may hold it. Batches go to the broker in the order in which they were begun.
 */
export class LocalProducer {
  private readonly channel: LocalChannel
  private readonly clock: Clock
  private readonly timers: Timers
  /** The one batch of each partition that still takes records. */
  private readonly gathering = new Map<string, OpenBatch>()
  private ready: OpenBatch[] = []
  private sending = false
  private scheduled = false
  private heldBytes = 0
  private waiting: (() => void)[] = []
  /** Records that wait for their acknowledgement, or to be taken in. */
  private unsettled = 0
  private onFinished: (() => void) | undefined

  constructor(channel: LocalChannel, clock: Clock, timers: Timers) {
    this.channel = channel
    this.clock = clock
    this.timers = timers
  }

  /** Fulfilled with the offset of the first record, when all are acknowledged. */
  append(place: Place, records: readonly RecordInput[]): Promise<number> {
    this.unsettled += records.length
    if (this.waiting.length === 0 && this.heldBytes < maxHeldBytes) return this.gather(place, records)
    return new Promise(resolve => this.waiting.push(() => resolve(this.gather(place, records))))
  }

  /** Fulfilled when nothing that was appended waits any more. */
  finished(): Promise<void> {
    if (this.unsettled === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.onFinished = resolve
    })
  }

  private gather(place: Place, records: readonly RecordInput[]): Promise<number> {
    const parts: Promise<number>[] = []
    const most = Math.min(batchBytes, place.maxBatchBytes) - batchHeaderBytes
    const key = `${place.topicId}:${place.partition}:${place.acks}`
    let batch = this.gathering.get(key)
    let begun = false
    for (const record of records) {
      const bytes = recordBytes(record)
      if (batch === undefined || (batch.records.length > 0 && batch.bytes + bytes > most)) {
        batch = { place, records: [], claims: [], bytes: 0 }
        this.gathering.set(key, batch)
        this.ready.push(batch)
        begun = false
      }
      if (!begun) {
        parts.push(this.claim(batch))
        begun = true
      }
      batch.records.push(record)
      batch.bytes += bytes
      this.heldBytes += bytes
    }
    this.schedule()
    return parts.length === 1 ? parts[0]! : Promise.all(parts).then(offsets => offsets[0]!)
  }

  private claim({ claims, records }: OpenBatch): Promise<number> {
    return new Promise((resolve, reject) => claims.push({ at: records.length, resolve, reject }))
  }

  private schedule(): void {
    if (this.scheduled || this.sending) return
    this.scheduled = true
    this.timers.soon(() => {
      this.scheduled = false
      void this.send()
    })
  }

  /** One batch behind the other, each begun when the one before has its offsets. */
  private async send(): Promise<void> {
    this.sending = true
    while (this.ready.length > 0) {
      const line = this.ready
      this.ready = []
      this.gathering.clear()
      for (const batch of line) {
        const ordered = this.sendOne(batch)
        if (ordered !== undefined) await ordered
      }
    }
    this.sending = false
  }

  /** Undefined when it has its offsets; else what to wait for before the next one. */
  private sendOne(batch: OpenBatch): Promise<void> | undefined {
    let bytes: Uint8Array
    try {
      bytes = buildBatch({ records: batch.records, timestampMs: this.clock.wallMs() })
    } catch (error) {
      this.settle(batch, error)
      return undefined
    }
    const records = this.channel.frames.place(bytes)
    if (records === undefined) return this.channel.frames.room().then(() => this.sendOne(batch))
    let ordered = false
    let release: (() => void) | undefined
    const { topicId, partition, acks } = batch.place
    const request = {
      transactionalId: null,
      acks: acks === 'durable' ? -1 : 1,
      timeoutMs,
      topicData: [{ name: '', topicId, partitionData: [{ index: partition, records }] }],
    }
    const onOrderReleased = () => {
      ordered = true
      release?.()
    }
    this.channel
      .call(produce, produceVersion, request, ({ responses }) => responses[0]!.partitionResponses[0]!, {
        framed: true,
        onOrderReleased,
      })
      .then(
        ({ errorCode, baseOffset, errorMessage }) => {
          if (errorCode !== ErrorCode.NONE) this.settle(batch, kafkaError(errorCode, errorMessage))
          else this.settle(batch, undefined, baseOffset)
        },
        (error: unknown) => {
          onOrderReleased()
          this.settle(batch, error)
        },
      )
    if (ordered) return undefined
    return new Promise(resolve => {
      release = resolve
    })
  }

  private takeIn(): void {
    let taken = 0
    while (taken < this.waiting.length && this.heldBytes < maxHeldBytes) this.waiting[taken++]!()
    this.waiting = this.waiting.slice(taken)
  }

  private settle(batch: OpenBatch, error: unknown, baseOffset = -1): void {
    for (const { at, resolve, reject } of batch.claims) {
      if (error === undefined) resolve(baseOffset + at)
      else reject(error)
    }
    this.heldBytes -= batch.bytes
    this.unsettled -= batch.records.length
    this.takeIn()
    if (this.unsettled === 0) this.onFinished?.()
  }
}
