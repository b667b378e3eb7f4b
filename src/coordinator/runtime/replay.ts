import { assert } from '../../base/assert.ts'
import { MillraceError } from '../../base/error.ts'
import { readInt64 } from '../../base/int64.ts'
import type { Logger } from '../../base/logger.ts'
import type { Clock, Storage, StoredLog, Timers } from '../../base/world.ts'
import { StatusCode } from '../../native/status.ts'
import {
  attributesAt,
  BatchAttributes,
  batchHeaderBytes,
  batchSizeAt,
  Codec,
  currentMagic,
  magicAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
} from '../../records/batch-header.ts'
import { decompress } from '../../records/compression.ts'
import { crc32c } from '../../records/crc32c.ts'
import type { RecordCodec } from './record-codec.ts'
import { type Cursor, skipVarlong, varintAt } from './record-cursor.ts'
import type { Shard } from './shard.ts'

/** Read at a time, while what was read before is replayed. */
const readBytes = 256 << 10
/** How long a slice of replay keeps other work waiting, and how long it then leaves the thread, and its heap, to that. */
const sliceMs = 0.35
const pauseMs = 1
/** At a place of the log whose segments change meanwhile. */
const maxLooks = 10
/** Records between two looks at the clock. */
const recordsPerLook = 32

export interface ReplayParts {
  readonly storage: Pick<Storage, 'readRegion' | 'releaseRegion'>
  readonly clock: Clock
  readonly timers: Timers
  readonly codec: RecordCodec
  readonly logger: Logger
}

export interface Replayed {
  /** Exclusive: up to where the log was replayed. */
  readonly endOffset: number
  readonly records: number
  readonly bytes: number
}

/**
 * Gives all records from `from` to `end` to a shard, which nobody else uses meanwhile. The log is read on threads that
 * may wait for the disk, a piece ahead of what is replayed; replay goes in slices, between which other work gets its turn.
 * `stopped` is asked after each of them. Rejects when the log cannot be read or holds what is no record.
 */
export async function replayLog(
  parts: ReplayParts,
  log: StoredLog,
  from: number,
  end: number,
  shard: Shard,
  stopped: () => boolean,
): Promise<Replayed> {
  const replay = new Replay(parts, log, shard, stopped)
  let offset = from
  let reading = offset < end ? replay.read(offset, end) : undefined
  while (reading !== undefined && !stopped()) {
    const piece = await reading
    if (piece === undefined) {
      offset = end
      break
    }
    const batches = wholeBatches(piece, offset, log.directory)
    offset = Math.max(batches.endOffset, offset)
    reading = offset < end ? replay.read(offset, end) : undefined
    // It is awaited when this piece is replayed, and not at all when that fails.
    reading?.catch(() => {})
    await replay.piece(piece, batches.endBytes)
  }
  return { endOffset: offset, records: replay.records, bytes: replay.bytes }
}

/** The batches of a piece that are whole in it, which are those before `endBytes`. */
function wholeBatches(piece: DataView, from: number, directory: string): { endOffset: number; endBytes: number } {
  let endOffset = -1
  let at = 0
  while (piece.byteLength - at >= batchHeaderBytes) {
    const size = batchSizeAt(piece, at)
    if (size < batchHeaderBytes || at + size > piece.byteLength) break
    endOffset = readInt64(piece, at) + piece.getInt32(at + 23) + 1
    at += size
  }
  if (endOffset <= from) throw unreadable(directory, from, 'no whole batch follows')
  return { endOffset, endBytes: at }
}

class Replay {
  records = 0
  bytes = 0
  private readonly parts: ReplayParts
  private readonly log: StoredLog
  private readonly shard: Shard
  private readonly stopped: () => boolean
  private readonly unknownTypes = new Set<number>()
  private sliceEndMs: number

  constructor(parts: ReplayParts, log: StoredLog, shard: Shard, stopped: () => boolean) {
    this.parts = parts
    this.log = log
    this.shard = shard
    this.stopped = stopped
    this.sliceEndMs = parts.clock.monotonicMs() + sliceMs
  }

  /** Bytes of the log from the batch around `offset` on; undefined when no batch follows before `end`. */
  async read(offset: number, end: number): Promise<DataView | undefined> {
    const { storage } = this.parts
    let from = offset
    for (let looks = 1; ; looks++) {
      const { status, region, length } = await this.log.readCold(from, readBytes, end, true)
      // The cleaner puts segments into the places of others meanwhile.
      if (status === StatusCode.wouldBlock && looks < maxLooks && !this.stopped()) continue
      if (status !== StatusCode.ok)
        throw new MillraceError('COORDINATOR_LOG', `${this.log.directory} could not be read (status ${status}).`)
      if (length > 0) {
        const bytes = new Uint8Array(length)
        const got = storage.readRegion(region, 0, bytes)
        storage.releaseRegion(region)
        assert(got === length, 'a region is read whole', { got, length })
        return new DataView(bytes.buffer)
      }
      // One read looks into a few segments, of which compaction may have left nothing.
      const [next] = this.log.readHeaders(from, end, 1)
      if (next === undefined) return undefined
      if (next.baseOffset <= from) throw this.unreadable(from, 'its batches are not where they are said to be')
      from = next.baseOffset
    }
  }

  async piece(view: DataView, end: number): Promise<void> {
    this.bytes += end
    const bytes = new Uint8Array(view.buffer)
    for (let at = 0; at < end; at += batchSizeAt(view, at)) {
      if (magicAt(view, at) !== currentMagic) throw this.unreadable(readInt64(view, at), 'its format is unknown')
      const attributes = attributesAt(view, at)
      const codec = (attributes & BatchAttributes.codecMask) as Codec
      const from = at + batchHeaderBytes
      const to = at + batchSizeAt(view, at)
      // After a clean stop nobody else has looked, and an offset that is wrong by a bit loses records or repeats them.
      if (crc32c(bytes.subarray(at + checkedFrom, to)) !== view.getUint32(at + checksumAt))
        throw this.unreadable(readInt64(view, at), 'the checksum of a batch does not match')
      if (recordCountAt(view, at) === 0) continue // Compaction left it empty.
      if ((attributes & BatchAttributes.control) !== 0) {
        this.control(view, at)
        continue
      }
      if (codec === Codec.none) await this.batch(view, at, bytes, from, to)
      else {
        const unfolded = await decompress(codec, bytes.subarray(from, to))
        await this.batch(view, at, unfolded, 0, unfolded.length)
      }
      if (this.stopped()) return
    }
  }

  /** The records of the batch at `at`, which lie in `bytes` between `from` and `end`. */
  private async batch(view: DataView, at: number, bytes: Uint8Array, from: number, end: number): Promise<void> {
    const { parts, shard } = this
    const { codec, clock } = parts
    const transactional = (attributesAt(view, at) & BatchAttributes.transactional) !== 0
    const producerId = transactional ? producerIdAt(view, at) : -1n
    const producerEpoch = transactional ? producerEpochAt(view, at) : -1
    const baseOffset = readInt64(view, at)
    const cursor: Cursor = { bytes, at: from, end }
    for (let left = recordCountAt(view, at); left > 0; left--) {
      const bodyBytes = varintAt(cursor)
      const recordEnd = cursor.at + bodyBytes
      if (bodyBytes < 0 || recordEnd > end) throw this.unreadable(baseOffset, 'a record reaches outside its batch')
      cursor.at++ // Attributes.
      skipVarlong(cursor)
      const offset = baseOffset + varintAt(cursor)
      const keyBytes = varintAt(cursor)
      const keyFrom = cursor.at
      cursor.at += Math.max(keyBytes, 0)
      const valueBytes = varintAt(cursor)
      const valueFrom = cursor.at
      if (valueFrom + valueBytes > recordEnd) throw this.unreadable(offset, 'a value reaches outside its record')
      if (keyBytes < 0) throw this.unreadable(offset, 'a record has no key')
      const record = this.decode(codec, bytes, keyFrom, keyFrom + keyBytes, valueFrom, valueFrom + valueBytes, offset)
      if (typeof record !== 'number') shard.replay(record, { offset, producerId, producerEpoch })
      else this.skipped(record)
      cursor.at = recordEnd
      if (++this.records % recordsPerLook === 0 && clock.monotonicMs() >= this.sliceEndMs) {
        await this.pause()
        if (this.stopped()) return
      }
    }
  }

  private decode(
    codec: RecordCodec,
    bytes: Uint8Array,
    keyFrom: number,
    keyEnd: number,
    valueFrom: number,
    valueEnd: number,
    offset: number,
  ): ReturnType<RecordCodec['decode']> {
    try {
      return codec.decode(bytes, keyFrom, keyEnd, valueFrom, valueEnd)
    } catch (cause) {
      throw this.unreadable(offset, String(cause), cause)
    }
  }

  /** The end of a transaction: the key of a control record is its version and its type, two bytes each. */
  private control(view: DataView, at: number): void {
    const bytes = new Uint8Array(view.buffer)
    const cursor: Cursor = { bytes, at: at + batchHeaderBytes, end: at + batchSizeAt(view, at) }
    varintAt(cursor)
    cursor.at++
    skipVarlong(cursor)
    varintAt(cursor)
    if (varintAt(cursor) < 4) throw this.unreadable(readInt64(view, at), 'a control record has no type')
    const type = view.getInt16(cursor.at + 2)
    if (type !== controlAbort && type !== controlCommit) return
    this.shard.replayTransactionEnd(producerIdAt(view, at), producerEpochAt(view, at), type === controlCommit)
  }

  /** Written by a newer broker that was taken back: what it says is nothing to this one, as Kafka has it. */
  private skipped(type: number): void {
    if (this.unknownTypes.has(type)) return
    this.unknownTypes.add(type)
    this.parts.logger.warn(
      { log: this.log.directory, type },
      'records of an unknown type are skipped: a newer broker may have written them',
    )
  }

  private async pause(): Promise<void> {
    const { clock, timers } = this.parts
    await new Promise<void>(resume => timers.after(pauseMs, resume))
    this.sliceEndMs = clock.monotonicMs() + sliceMs
  }

  private unreadable(offset: number, why: string, cause?: unknown): MillraceError {
    return unreadable(this.log.directory, offset, why, cause)
  }
}

const checksumAt = 17
const checkedFrom = 21
const controlAbort = 0
const controlCommit = 1

function unreadable(directory: string, offset: number, why: string, cause?: unknown): MillraceError {
  const advice = `If its files are damaged: stop the broker, then run: millrace log verify '${directory}'`
  const message = `${directory} cannot be understood at offset ${offset}: ${why}. ${advice}`
  return new MillraceError('COORDINATOR_LOG_UNREADABLE', message, { cause })
}
