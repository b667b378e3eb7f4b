import { MillraceError } from '../base/error.ts'
import type { Disk } from '../base/world.ts'
import type { AbortedTransaction } from './transaction-marker.ts'
import { encodeAborted, firstFrom, TxnIndex, txnIndexName } from './txn-index.ts'

/** Of one partition, the newest that stay in memory once a file has them. */
const keptInMemory = 1024
/** So many are written at once: a file is written anew each time, so the more it holds the more are gathered. */
const fewestWritten = 4096
const mostWritten = 32_768

interface Kept extends AbortedTransaction {
  /** Base offset of the segment that holds the marker. */
  readonly segment: number
}

/** Where a log's `.txnindex` files lie. */
export interface IndexDirectory {
  readonly disk: Disk
  readonly path: string
}

const none: readonly AbortedTransaction[] = []

/**
 * The aborted transactions of one partition, in the order of their markers: the newest in memory, all but the newest in
 * `.txnindex` files. Those files are a copy of what the log says: what lies behind the newest producer snapshot is found
 * again in the log, so a file has to be there only before such a snapshot is.
 */
export class AbortedTransactions {
  private readonly directory: IndexDirectory | undefined
  private recent: Kept[] = []
  /** Those whose marker lies below are in a file, those from here on in `recent` alone. */
  private writtenTo = 0
  /** Every transaction whose marker lies from here on is in `recent`. */
  private recentFrom = 0
  /** Base offsets of the segments whose file has entries that count, ascending. */
  private bases: number[] = []
  /** By base offset: from which marker on the entries of a file do not count, until it is written anew. */
  private readonly cuts = new Map<number, number>()
  /** Entries of the file that was last written: how many to gather for the next time. */
  private entriesInFile = 0
  private writeDue = false
  /** Segments are giving way to a cleaned one: their files are neither the old nor the new ones. */
  private replacement: Promise<unknown> | undefined
  /** Changes when files went or came: what was read of them meanwhile is read again. */
  private generation = 0

  /** Without a directory, all stay in memory. */
  constructor(directory?: IndexDirectory) {
    this.directory = directory
  }

  /** Adds one whose marker is the log's newest. True when they are to be written: once, until they are. */
  add(transaction: AbortedTransaction, segment: number): boolean {
    this.recent.push({ ...transaction, segment })
    const due = Math.min(Math.max(this.entriesInFile >> 2, fewestWritten), mostWritten)
    if (this.directory === undefined || this.writeDue || this.recent.length < due) return false
    if (this.recent.length - this.firstUnwritten() < due) return false
    this.writeDue = true
    return true
  }

  /** Those that have records or their marker in [from, to), by first offset. Rejects when a file cannot be believed. */
  between(from: number, to: number): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    if (from < this.recentFrom && this.bases.length > 0 && this.directory !== undefined)
      return this.read(this.directory, from, to)
    if (this.recent.length === 0) return none
    const found: AbortedTransaction[] = []
    this.collectRecent(from, to, found)
    return byFirstOffset(found)
  }

  /**
   * Takes in what the files say of markers below `end`; above, the log is asked (`add`). Returns the base offset of the
   * first file that is damaged, and so is not believed, if one is.
   */
  async load(directory: IndexDirectory, bases: readonly number[], end: number): Promise<number | undefined> {
    let damaged: number | undefined
    this.recentFrom = end
    this.writtenTo = end
    for (const base of [...bases].sort((a, b) => a - b)) {
      const index = await readIndex(directory, base)
      const isSound = index.isSound(base)
      if (!isSound) damaged ??= base
      const counted = isSound ? index.firstFrom(end) : 0
      if (counted > 0) this.bases.push(base)
      if (!isSound || counted < index.count) this.cuts.set(base, isSound ? end : base)
    }
    return damaged
  }

  /** Forgets everything, for another `load`. */
  clear(): void {
    this.recent = []
    this.writtenTo = 0
    this.recentFrom = 0
    this.bases = []
    this.cuts.clear()
    this.generation++
  }

  /** Resolves when all that was added before is durable in the files. One at a time. */
  async write(): Promise<void> {
    this.writeDue = false
    const { directory } = this
    if (directory === undefined) return
    const pending = this.recent.slice(this.firstUnwritten())
    const segments = new Set([...this.cuts.keys(), ...pending.map(({ segment }) => segment)])
    for (const segment of [...segments].sort((a, b) => a - b)) {
      const added = pending.filter(each => each.segment === segment)
      await this.writeSegment(directory, segment, added)
    }
    this.drop(this.firstUnwritten() - keptInMemory)
  }

  /** The log begins with the segment `first` now: those before it are gone. Waits for no write; see `removeBelow`. */
  startMoved(first: number): void {
    this.bases = this.bases.filter(base => base >= first)
    this.recent.splice(0, this.firstOf(first))
    for (const base of this.cuts.keys()) if (base < first) this.cuts.delete(base)
    this.generation++
  }

  /** Segments from `first` to `last` give way to one that begins with `first`; see StoredLog.replaceSegments. */
  async replaced<T>(first: number, last: number, work: Promise<T>): Promise<T> {
    this.replacement = work
    try {
      return await work
    } finally {
      this.replacement = undefined
      this.generation++
      const within = (offset: number) => offset >= first && offset <= last
      if (this.bases.some(within)) {
        this.bases = this.bases.filter(base => !within(base))
        this.bases.splice(
          firstFrom(first, this.bases.length, index => this.bases[index]!),
          0,
          first,
        )
      }
      // What compaction took out is no longer to be told: its marker may go next. The files say what is left.
      this.drop(Math.min(this.firstOf(last + 1), this.firstUnwritten()))
    }
  }

  private async writeSegment(directory: IndexDirectory, segment: number, added: readonly Kept[]): Promise<void> {
    const end = Number.MAX_SAFE_INTEGER
    const isThere = this.bases.includes(segment) || this.cuts.has(segment)
    const index = isThere ? await readIndex(directory, segment) : new TxnIndex(new Uint8Array(0))
    const cut = Math.min(this.cuts.get(segment) ?? end, added[0]?.lastOffset ?? end)
    const kept = index.isSound(segment) ? index.firstFrom(cut) : 0
    const content = joined(index.prefix(kept), encodeAborted(added))
    const path = `${directory.path}/${txnIndexName(segment)}`
    if (content.length > 0) await directory.disk.replace(path, content)
    else await directory.disk.remove(path)
    this.entriesInFile = kept + added.length
    this.cuts.delete(segment)
    if (added.length > 0) this.writtenTo = added[added.length - 1]!.lastOffset + 1
    if (content.length > 0 && !this.bases.includes(segment))
      this.bases.splice(
        firstFrom(segment, this.bases.length, at => this.bases[at]!),
        0,
        segment,
      )
  }

  private firstUnwritten(): number {
    const { recent, writtenTo } = this
    return firstFrom(writtenTo, recent.length, index => recent[index]!.lastOffset)
  }

  /** The first in memory whose segment begins at or above `segment`. */
  private firstOf(segment: number): number {
    const { recent } = this
    return firstFrom(segment, recent.length, index => recent[index]!.segment)
  }

  /** The first `count` in memory are to be had from the files alone. */
  private drop(count: number): void {
    if (count <= 0) return
    const dropped = this.recent.splice(0, count)
    this.recentFrom = Math.max(this.recentFrom, dropped[count - 1]!.lastOffset + 1)
  }

  private async read(directory: IndexDirectory, from: number, to: number): Promise<readonly AbortedTransaction[]> {
    for (;;) {
      await this.replacement?.catch(() => {})
      const { generation, recentFrom } = this
      const found = await this.readFiles(directory, from, to, recentFrom)
      if (generation !== this.generation || this.replacement !== undefined) continue
      if (found.damaged !== undefined) {
        const file = `${directory.path}/${txnIndexName(found.damaged)}`
        throw new MillraceError('TXN_INDEX', `${file} is damaged: a restart makes it anew.`)
      }
      if (!found.complete) this.collectRecent(Math.max(from, recentFrom), to, found.transactions)
      return byFirstOffset(found.transactions)
    }
  }

  /** What the files say of markers below `end`. */
  private async readFiles(directory: IndexDirectory, from: number, to: number, end: number): Promise<FoundInFiles> {
    const transactions: AbortedTransaction[] = []
    // A segment whose base is above `from` cannot be the one that holds it, the last below may be.
    const above = firstFrom(from + 1, this.bases.length, index => this.bases[index]!)
    for (const base of this.bases.slice(Math.max(above - 1, 0))) {
      const index = await readIndex(directory, base)
      if (!index.isSound(base)) return { transactions, complete: false, damaged: base }
      for (let at = index.firstFrom(from); at < index.count; at++) {
        const transaction = index.at(at)
        if (transaction.lastOffset >= end) break
        if (transaction.firstOffset < to) transactions.push(transaction)
        if (transaction.lastStableOffset >= to) return { transactions, complete: true, damaged: undefined }
      }
    }
    return { transactions, complete: false, damaged: undefined }
  }

  /** Behind the first that left everything below `to` stable there is none that counts. */
  private collectRecent(from: number, to: number, found: AbortedTransaction[]): void {
    const { recent } = this
    for (let at = firstFrom(from, recent.length, index => recent[index]!.lastOffset); at < recent.length; at++) {
      const { producerId, firstOffset, lastOffset, lastStableOffset } = recent[at]!
      if (firstOffset < to) found.push({ producerId, firstOffset, lastOffset, lastStableOffset })
      if (lastStableOffset >= to) break
    }
  }
}

interface FoundInFiles {
  readonly transactions: AbortedTransaction[]
  /** No later marker can matter. */
  readonly complete: boolean
  readonly damaged: number | undefined
}

const readIndex = async ({ disk, path }: IndexDirectory, base: number): Promise<TxnIndex> =>
  new TxnIndex((await disk.read(`${path}/${txnIndexName(base)}`)) ?? new Uint8Array(0))

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  return bytes
}

const byFirstOffset = (transactions: AbortedTransaction[]): AbortedTransaction[] =>
  transactions.sort((one, other) => one.firstOffset - other.firstOffset)
