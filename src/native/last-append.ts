import type { LastAppend } from '../base/world.ts'
import { Slot } from './addon.ts'

/** A view of the call block: what the last append of any log answered. */
export class BlockLastAppend implements LastAppend {
  readonly #block: Float64Array

  constructor(block: Float64Array) {
    this.#block = block
  }

  get baseOffset(): number {
    return this.#block[Slot.baseOffset]!
  }

  get lastOffset(): number {
    return this.#block[Slot.lastOffset]!
  }

  get maxTimestamp(): number {
    return this.#block[Slot.maxTimestamp]!
  }

  get firstBadRecord(): number {
    return this.#block[Slot.firstBadRecord]!
  }

  get rolled(): boolean {
    return this.#block[Slot.rolled] !== 0
  }

  get gathered(): boolean {
    return this.#block[Slot.gathered] !== 0
  }
}
