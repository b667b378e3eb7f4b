import { ErrorCode, errorName } from '../../../src/protocol/index.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { attributesAt, BatchAttributes, hasProducerIdAt, producerIdAt } from '../../../src/records/batch-header.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import type { Reading } from './checker.ts'
import type { History, Seen } from './history.ts'
import { ConnectionLost, Line, type Surroundings } from './wire.ts'

const fetchVersion = 12
const retryMs = 25
const codesToRetry = new Set<number>([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.OFFSET_NOT_AVAILABLE,
])

export interface Fetched {
  readonly highWatermark: number
  readonly lastStableOffset: number
}

interface Position {
  offset: number
  readonly seen: Seen[]
  highWatermark: number
  lastStableOffset: number
}

/** Reads all partitions of a topic as a consumer of one isolation level does, and notes where a promise is broken. */
export class RawReader {
  readonly name: string
  private readonly line: Line
  private readonly history: History
  private readonly topic: string
  private readonly committedOnly: boolean
  private readonly positions: Position[]

  constructor(
    at: Surroundings,
    history: History,
    options: { name: string; topic: string; partitions: number; committedOnly: boolean },
  ) {
    this.line = new Line(at)
    this.history = history
    this.name = options.name
    this.topic = options.topic
    this.committedOnly = options.committedOnly
    const { partitions: length } = options
    this.positions = Array.from({ length }, () => ({ offset: 0, seen: [], highWatermark: 0, lastStableOffset: 0 }))
  }

  kill(): void {
    this.line.kill()
  }

  startAt(partition: number, offset: number): void {
    this.positions[partition]!.offset = offset
  }

  /** Where the next fetch of a partition begins. */
  offsetOf(partition: number): number {
    return this.positions[partition]!.offset
  }

  /** What was read since this was last asked. */
  takeSeen(partition: number): Seen[] {
    return this.positions[partition]!.seen.splice(0)
  }

  readings(): Reading[] {
    const { name: reader, committedOnly } = this
    return this.positions.map(({ seen }, partition) => ({ reader, committedOnly, partition, seen }))
  }

  /** One fetch; what the broker tells of each partition, or undefined when nothing came. */
  async poll(maxWaitMs: number): Promise<Fetched[] | undefined> {
    const { topic, positions } = this
    const partitions = positions.map(({ offset: fetchOffset }, partition) => ({
      partition,
      fetchOffset,
      partitionMaxBytes: 1 << 20,
    }))
    try {
      const answer = await this.line.request(fetch, fetchVersion, {
        replicaId: -1,
        maxWaitMs,
        minBytes: 1,
        maxBytes: 10 << 20,
        isolationLevel: this.committedOnly ? 1 : 0,
        topics: [{ topic, partitions }],
        forgottenTopicsData: [],
      })
      const told: Fetched[] = []
      for (const each of answer.body.responses[0]?.partitions ?? []) {
        if (codesToRetry.has(each.errorCode)) return undefined
        if (each.errorCode !== ErrorCode.NONE) {
          this.violation(
            each.partitionIndex,
            `a fetch at ${positions[each.partitionIndex]!.offset} was answered ${errorName(each.errorCode)}`,
          )
          return undefined
        }
        const { highWatermark, lastStableOffset = -1 } = each
        this.advance(each.partitionIndex, { highWatermark, lastStableOffset })
        this.take(each.partitionIndex, answer.records(each.records), each.abortedTransactions ?? [])
        told[each.partitionIndex] = { highWatermark, lastStableOffset }
      }
      return told.length === positions.length ? told : undefined
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      await this.line.pause(retryMs)
      return undefined
    }
  }

  /** Everything up to what is there now. */
  async readToEnd(): Promise<Seen[][]> {
    for (;;) {
      const told = await this.poll(100)
      const ends = told?.map(({ highWatermark, lastStableOffset }) =>
        this.committedOnly ? lastStableOffset : highWatermark,
      )
      if (ends?.every((end, partition) => this.positions[partition]!.offset >= end)) break
    }
    return this.positions.map(({ seen }) => seen)
  }

  /** What a reader was told never goes back. */
  private advance(partition: number, told: Fetched): void {
    const known = this.positions[partition]!
    for (const each of ['highWatermark', 'lastStableOffset'] as const) {
      if (told[each] < known[each])
        this.violation(partition, `the ${each} went back from ${known[each]} to ${told[each]}`)
      known[each] = told[each]
    }
    if (told.lastStableOffset > told.highWatermark)
      this.violation(partition, `last stable ${told.lastStableOffset} above high watermark ${told.highWatermark}`)
  }

  private take(
    partition: number,
    bytes: Uint8Array,
    aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[],
  ): void {
    const position = this.positions[partition]!
    const ascending = aborted.every(({ firstOffset }, i) => i === 0 || firstOffset >= aborted[i - 1]!.firstOffset)
    if (!ascending) this.violation(partition, 'aborted transactions are not in order')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const left = [...aborted]
    const aborting = new Set<bigint>()
    for (let at = 0, end = batchEnd(bytes, 0); end !== undefined; at = end, end = batchEnd(bytes, at)) {
      const baseOffset = Number(view.getBigInt64(at))
      const lastOffset = baseOffset + view.getInt32(at + 23)
      if (lastOffset < position.offset) continue
      const attributes = attributesAt(view, at)
      const producerId = hasProducerIdAt(view, at) ? producerIdAt(view, at) : undefined
      while (left.length > 0 && left[0]!.firstOffset <= lastOffset) aborting.add(left.shift()!.producerId)
      const records = readRecords(bytes, at)
      if ((attributes & BatchAttributes.control) !== 0) {
        // 0 is an abort's; a commit changes nothing.
        if (records[0]!.key![3] === 0) aborting.delete(producerId!)
      } else if ((attributes & BatchAttributes.transactional) === 0 || !aborting.has(producerId!)) {
        for (const { offset, value } of records) {
          if (offset >= position.offset) position.seen.push({ offset, value: Buffer.from(value!).toString() })
        }
      }
      position.offset = lastOffset + 1
    }
  }

  private violation(partition: number, text: string): void {
    this.history.violation(`${this.name}, partition ${partition}: ${text}`)
  }
}
