import type { Storage } from '../base/world.ts'
import type { RecordsView } from '../protocol/index.ts'

const initialBytes = 1 << 20
const alignment = 8

/**
 * Where the records of requests lie that come from this process: one arena, filled from its beginning, and from its
 * beginning again when nothing in it is held any more, which is nearly always.
 */
export class LocalFrames {
  private readonly storage: Storage
  private bytes = new Uint8Array()
  private arena = new DataView(this.bytes.buffer)
  private used = 0
  private held = 0
  private readonly waiting: (() => void)[] = []

  constructor(storage: Storage) {
    this.storage = storage
  }

  /** Stays the same while a frame is held. */
  get view(): DataView {
    return this.arena
  }

  /** Copies records in; `release` gives their place back. Undefined: there is none before others are released (`room`). */
  place(records: Uint8Array): RecordsView | undefined {
    const { length } = records
    if (this.used + length > this.bytes.length) {
      if (this.held > 0) return undefined
      if (length > this.bytes.length) this.grow(length)
    }
    const position = this.used
    this.bytes.set(records, position)
    this.used += Math.ceil(length / alignment) * alignment
    this.held++
    return { position, length }
  }

  release(): void {
    if (--this.held > 0) return
    this.used = 0
    for (const go of this.waiting.splice(0)) go()
  }

  /** Fulfilled when everything was released. */
  room(): Promise<void> {
    return new Promise(resolve => this.waiting.push(resolve))
  }

  private grow(length: number): void {
    this.bytes = new Uint8Array(Math.max(length, initialBytes))
    this.arena = new DataView(this.bytes.buffer)
    this.storage.lendLocalArena(this.bytes)
  }
}
