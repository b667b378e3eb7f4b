import { batchHeaderBytes, currentMagic } from '../records/batch-header.ts'
import {
  Attribute,
  type BatchHeader,
  codecMask,
  emptyHeader,
  headerFault,
  isControl,
  isOffset,
  lastOffset,
  leaderEpochAt,
  readHeader,
} from './batch.ts'
import { remedy } from './finding.ts'
import { headerAt, healFrame, int32Bytes, int64Bytes, trueBaseOffset, trueEpoch } from './healing.ts'
import type { OffsetIndexCheck, TimeIndexCheck } from './index-check.ts'
import type { Damage, LogState, SegmentFacts } from './log-state.ts'
import { checkRecords, type RecordFacts, RecordWalk } from './record-walk.ts'
import { type BatchFault, type SegmentReader, wholeBatchBytesMax } from './segment-reader.ts'
import { unfold } from './unfolding.ts'

const endTransactionTypes = new Set([0, 1])
const abortType = 0
/** So many zeros at the end of a batch were never written; fewer may be its last record's empty fields. */
const tornZerosMin = 16

/** What the walk over one segment needs besides its reader. */
export interface SegmentChecks {
  readonly index: OffsetIndexCheck | undefined
  readonly timeIndex: TimeIndexCheck | undefined
  /** The base offset of the next segment; undefined for the last one. */
  readonly nextBase: number | undefined
  /** Before each batch, with its base offset. */
  beforeBatch(baseOffset: number): void
  /** A marker stands at `offset`. */
  onEnd(producerId: bigint, offset: number, aborts: boolean): void
}

/** Walks over the batches of one .log file and holds each against itself and against what came before. */
export class SegmentCheck {
  private readonly log: LogState
  private readonly reader: SegmentReader
  private readonly facts: SegmentFacts
  private readonly file: string
  private readonly checks: SegmentChecks
  private readonly recordFacts: RecordFacts = { maxTimestamp: -1, holes: false }
  private readonly peeked: BatchHeader = emptyHeader()

  constructor(log: LogState, reader: SegmentReader, facts: SegmentFacts, file: string, checks: SegmentChecks) {
    this.log = log
    this.reader = reader
    this.facts = facts
    this.file = file
    this.checks = checks
  }

  async run(): Promise<void> {
    const { reader, facts } = this
    let position = 0
    while (position < reader.sizeBytes) {
      const fault = reader.judge(position)
      if (fault !== undefined && reader.isZeroFrom(position)) break
      const batch = fault === undefined ? { ...reader.header } : this.healed(position, fault)
      const end = batch === undefined ? this.damaged(position, fault!) : position + batch.sizeBytes
      if (end < 0) break
      if (batch !== undefined && this.place(batch, position)) await this.sound(batch, position)
      else if (batch !== undefined) this.misplaced(batch, position)
      position = end
      facts.contentBytes = end
    }
    facts.endOffset = this.log.expected
    if (position < reader.sizeBytes && facts.contentBytes === position && facts.damages.every(damage => !damage.atEnd))
      this.noteAllocated(position)
    this.checks.index?.finish(facts.contentBytes)
    this.checks.timeIndex?.finish(this.isComplete())
  }

  /** The segment was rolled, or the log closed: its indexes are all they will be. */
  private isComplete(): boolean {
    return this.checks.nextBase !== undefined || this.log.closed
  }

  private noteAllocated(position: number): void {
    const zeros = this.reader.sizeBytes - position
    this.log.context.note({ file: this.file, message: `${zeros} bytes of zeros are allocated ahead of its end` })
  }

  /** The batch at `position` if only its length or its magic is wrong. */
  private healed(position: number, fault: BatchFault): BatchHeader | undefined {
    const { log, reader, facts, file } = this
    const next = this.resync(position, fault)
    const healed = healFrame(reader, position, next)
    if (healed === undefined) return undefined
    facts.patches.push(healed.patch)
    const message = `the header of a batch is damaged where its checksum does not reach: ${fault.message}; its records are whole`
    log.found('rebuilt', 'batch-header', file, { position, offset: log.expected }, message, remedy.repair)
    const header = emptyHeader()
    readHeader(reader.view, reader.load(position, batchHeaderBytes), header)
    header.sizeBytes = healed.end - position
    header.magic = currentMagic
    return header
  }

  /** Bytes that are no batch. Returns where to go on, -1 at the end. */
  private damaged(position: number, fault: BatchFault): number {
    const { log, reader, facts, checks } = this
    const claimed = this.claimed(position, fault)
    const next = this.resync(position, fault)
    const nextBase = next < 0 ? checks.nextBase : reader.header.baseOffset
    const end = next >= 0 ? next : reader.endOfContent(position)
    const sequel = claimed !== undefined && claimed.baseOffset === log.expected ? lastOffset(claimed) + 1 : -1
    const atEnd = nextBase === undefined
    const torn = atEnd && this.looksTorn(position, end, fault, claimed)
    this.takeOut({ position, end, toOffset: nextBase ?? sequel, atEnd, torn, message: fault.message })
    if (next < 0) return -1
    facts.contentBytes = next
    return next
  }

  /** A batch whose checksum holds, and of which nothing tells the offset. */
  private misplaced(header: BatchHeader, position: number): void {
    const end = position + header.sizeBytes
    const following = this.followingOf(end)
    const message = `its base offset ${header.baseOffset} contradicts its neighbours`
    this.takeOut({ position, end, toOffset: following ?? -1, atEnd: false, torn: false, message })
  }

  private takeOut(damage: Omit<Damage, 'fromOffset' | 'leaderEpoch'>): void {
    const { log, facts, checks } = this
    const { expected, leaderEpoch } = log
    const { position, end, toOffset, atEnd } = damage
    facts.damages.push({ ...damage, fromOffset: expected, leaderEpoch })
    log.sawLoss = true
    checks.index?.jump(position, end)
    checks.timeIndex?.jump(expected, toOffset < 0 ? Number.POSITIVE_INFINITY : toOffset)
    if (!atEnd && toOffset > expected) log.expected = toOffset
  }

  /**
   * Whether an append that a crash interrupted looks like this: a prefix of a batch, then zeros or nothing, or pages of
   * zeros first. A batch that is there to its last byte and contradicts its checksum was changed afterwards.
   */
  private looksTorn(position: number, end: number, fault: BatchFault, claimed: BatchHeader | undefined): boolean {
    if (fault.kind === 'incomplete' || end - position < batchHeaderBytes) return true
    if (claimed !== undefined) return position + claimed.sizeBytes - end >= tornZerosMin
    const at = this.reader.load(position, batchHeaderBytes)
    return at >= 0 && this.reader.bytes.subarray(at, at + batchHeaderBytes).every(byte => byte === 0)
  }

  /** What the header says where only the bytes behind it are wrong. */
  private claimed(position: number, fault: BatchFault): BatchHeader | undefined {
    if (fault.kind !== 'checksum') return undefined
    const header = emptyHeader()
    return this.reader.peek(position, header) ? header : undefined
  }

  /** The next sound batch: first where this one says that it ends, since records may hold what looks like a batch. */
  private resync(position: number, fault: BatchFault): number {
    const { reader, log } = this
    const below = this.checks.nextBase ?? Number.MAX_SAFE_INTEGER
    const claimed = this.claimed(position, fault)
    if (claimed !== undefined) {
      const next = position + claimed.sizeBytes
      if (next < reader.sizeBytes && reader.judge(next) === undefined) {
        const { baseOffset } = reader.header
        if (baseOffset > log.expected && baseOffset < below) return next
      }
    }
    return reader.findNext(position, log.expected, below)
  }

  /** The base offset of what follows at `end`; undefined where nothing tells. */
  private followingOf(end: number): number | undefined {
    if (this.reader.peek(end, this.peeked)) return isOffset(this.peeked.baseOffset) ? this.peeked.baseOffset : undefined
    return this.endsAt(end) ? this.checks.nextBase : undefined
  }

  private endsAt(position: number): boolean {
    return position >= this.reader.sizeBytes || this.reader.isZeroFrom(position)
  }

  /** Holds offset and epoch, which the checksum does not cover, against the neighbours. False: nothing tells the offset. */
  private place(header: BatchHeader, position: number): boolean {
    const { log, facts, file } = this
    if (header.baseOffset !== log.expected) {
      const end = position + header.sizeBytes
      const neighbours = {
        expected: log.expected,
        following: this.followingOf(end),
        isLast: this.checks.nextBase === undefined && this.endsAt(end),
        knownEnd: log.knownEnd,
        holes: log.holes,
      }
      const base = trueBaseOffset(header, neighbours)
      if (base === -1) return false
      if (base !== undefined) {
        const message = `a batch says that it begins with offset ${header.baseOffset}, and its neighbours that it is ${base}`
        log.found('rebuilt', 'batch-offset', file, { position, offset: base }, message, remedy.repair)
        facts.patches.push({ position, bytes: int64Bytes(base) })
        header.baseOffset = base
      } else if (header.baseOffset > log.expected) {
        log.gaps.push({
          file,
          segmentBase: facts.baseOffset,
          position,
          from: log.expected,
          to: header.baseOffset,
          leaderEpoch: log.leaderEpoch,
        })
      }
    }
    if (header.leaderEpoch !== log.leaderEpoch) this.placeEpoch(header, position)
    return true
  }

  private placeEpoch(header: BatchHeader, position: number): void {
    const { log, facts, file } = this
    const before = log.leaderEpoch
    const after = headerAt(this.reader, position + header.sizeBytes)?.leaderEpoch
    const right = trueEpoch(header.leaderEpoch, {
      before,
      after,
      told: log.epochs?.findLast(start => start.startOffset <= header.baseOffset)?.epoch,
      known: log.epochs?.some(start => start.epoch === header.leaderEpoch) === true,
      mayLead: after === undefined && this.checks.nextBase === undefined && log.knownEnd === undefined,
    })
    if (right !== undefined) {
      const message = `a batch says leader epoch ${header.leaderEpoch}, and its neighbours that it is ${right}`
      log.found('rebuilt', 'batch-epoch', file, { position, offset: header.baseOffset }, message, remedy.repair)
      facts.patches.push({ position: position + leaderEpochAt, bytes: int32Bytes(right) })
      header.leaderEpoch = right
    } else if (header.leaderEpoch < before) {
      const message = `a batch of leader epoch ${header.leaderEpoch} comes behind one of ${before}`
      log.found('data', 'batch-epoch', file, { position, offset: header.baseOffset }, message, remedy.writer)
    }
    if (header.leaderEpoch > before && header.leaderEpoch >= 0) {
      log.leaderEpoch = header.leaderEpoch
      log.seenEpochs.push({ epoch: header.leaderEpoch, startOffset: header.baseOffset })
    }
  }

  /** A batch whose checksum holds and whose place is known. */
  private async sound(header: BatchHeader, position: number): Promise<void> {
    const { log, file, checks } = this
    checks.beforeBatch(header.baseOffset)
    log.batches++
    log.records += header.recordCount
    log.bytes += header.sizeBytes
    const place = { position, offset: header.baseOffset }
    const fault = headerFault(header)
    if (fault !== undefined)
      log.found('data', 'batch-header', file, place, `a batch whose checksum holds is wrong: ${fault}`, remedy.writer)
    else await this.checkInside(header, position)
    if (header.recordCount === 0 && header.producerId < 0n) log.sawLoss = true
    log.transactions.note(header)
    const unordered = log.history.note(header, log.holes || log.sawLoss)
    if (unordered !== undefined)
      log.found(
        'data',
        'producer-sequence',
        file,
        place,
        `a batch does not follow its producer's last: ${unordered}`,
        remedy.writer,
      )
    const last = lastOffset(header)
    checks.index?.batch(position, last)
    checks.timeIndex?.batch(header.baseOffset, last, header.maxTimestamp)
    log.expected = last + 1
  }

  private async checkInside(header: BatchHeader, position: number): Promise<void> {
    const { log, reader, file, recordFacts } = this
    if ((header.attributes & Attribute.deleteHorizon) !== 0) log.sawCompaction = true
    if (header.recordCount === 0) {
      // What compaction leaves of a batch so that its producer's last sequence stays known.
      if (header.producerId >= 0n) log.sawCompaction = true
      return
    }
    if (header.sizeBytes > wholeBatchBytesMax) {
      log.context.note({
        file,
        message: `the batch at ${position} has ${header.sizeBytes} bytes: its records were not looked at`,
      })
      return
    }
    const at = reader.load(position, header.sizeBytes)
    const place = { position, offset: header.baseOffset }
    let section = reader.bytes
    let from = at + batchHeaderBytes
    let end = at + header.sizeBytes
    if ((header.attributes & codecMask) !== 0) {
      const unfolded = await unfold(header, reader.bytes.subarray(at, end))
      if ('fault' in unfolded) {
        if (unfolded.tooLarge)
          log.context.note({ file, message: `the batch at ${position} unfolds to too much to look at` })
        else
          log.found(
            'data',
            'batch-records',
            file,
            place,
            `the records of a batch whose checksum holds cannot be unfolded: ${unfolded.fault}`,
            remedy.writer,
          )
        return
      }
      section = unfolded.section
      from = 0
      end = section.length
    }
    const wrong = checkRecords(header, section, from, end, recordFacts)
    if (wrong !== undefined) {
      log.found(
        'data',
        'batch-records',
        file,
        place,
        `a batch whose checksum holds is wrong inside: ${wrong}`,
        remedy.writer,
      )
      return
    }
    if (recordFacts.holes) log.sawCompaction = true
    if (recordFacts.maxTimestamp !== header.maxTimestamp) {
      const message = `a batch says that its largest timestamp is ${header.maxTimestamp}, and its records' is ${recordFacts.maxTimestamp}: lookups by time may miss it`
      log.found('harmless', 'batch-timestamp', file, place, message, remedy.writer)
    }
    if (isControl(header)) this.checkControl(header, section, from, end, place)
  }

  private checkControl(
    header: BatchHeader,
    section: Uint8Array,
    from: number,
    end: number,
    place: { position: number; offset: number },
  ): void {
    const walk = new RecordWalk(section, from, end)
    walk.next()
    const view = new DataView(section.buffer, section.byteOffset, section.byteLength)
    const key =
      walk.keyLength >= 4 ? { version: view.getInt16(walk.keyAt), type: view.getInt16(walk.keyAt + 2) } : undefined
    const wrong = (message: string) =>
      this.log.found('data', 'control-batch', this.file, place, `a control batch ${message}`, remedy.writer)
    if (key === undefined) wrong('has a record without a control type')
    else if (key.version < 0 || key.type < 0) wrong(`has a record of version ${key.version} and type ${key.type}`)
    if (key === undefined || !endTransactionTypes.has(key.type)) return
    if (header.recordCount !== 1) wrong(`that ends a transaction has ${header.recordCount} records`)
    if (header.producerId < 0n) wrong('that ends a transaction has no producer id')
    if (walk.valueLength < 6) wrong(`that ends a transaction has a value of ${walk.valueLength} bytes`)
    this.checks.onEnd(header.producerId, place.offset, key.type === abortType)
  }
}
