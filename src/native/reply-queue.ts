import type { RegionSplit } from '../base/world.ts'
import { PartField, type RawEngine } from './addon.ts'

const initialParts = 256

/**
 * The replies of a turn as native `submit` takes them: parts packed into one array of numbers, and the byte arrays they
 * point into. Replies written one behind the other into the same array share its entry, which is the cheap case.
 */
export class ReplyQueue {
  #parts = new Float64Array(initialParts * PartField.count)
  #count = 0
  readonly #buffers: Uint8Array[] = []

  add(
    connection: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    splits: readonly RegionSplit[],
    splitFrom: number,
    splitTo: number,
  ): void {
    const before = this.#count
    let position = from
    for (let index = splitFrom; index < splitTo; index++) {
      const split = splits[index]!
      if (split.position > position) this.#addBytes(connection, bytes, position, split.position)
      position = split.position
      this.#addPart(connection, -1, split.region, split.length)
    }
    if (to > position) this.#addBytes(connection, bytes, position, to)
    if (this.#count > before) this.#parts[(this.#count - 1) * PartField.count + PartField.last] = 1
  }

  /** One crossing, or none when nothing is queued. The queue is empty afterwards, whatever happens. */
  submitTo(raw: RawEngine): void {
    if (this.#count === 0) return
    const count = this.#count
    this.#count = 0
    try {
      raw.submit(this.#parts, count, this.#buffers)
    } finally {
      this.#buffers.length = 0
    }
  }

  clear(): void {
    this.#count = 0
    this.#buffers.length = 0
  }

  #addBytes(connection: number, bytes: Uint8Array, from: number, to: number): void {
    const buffers = this.#buffers
    if (buffers.length === 0 || buffers[buffers.length - 1] !== bytes) buffers.push(bytes)
    this.#addPart(connection, buffers.length - 1, from, to - from)
  }

  #addPart(connection: number, buffer: number, position: number, length: number): void {
    const at = this.#count * PartField.count
    if (at === this.#parts.length) this.#grow()
    const parts = this.#parts
    parts[at + PartField.connection] = connection
    parts[at + PartField.buffer] = buffer
    parts[at + PartField.position] = position
    parts[at + PartField.length] = length
    parts[at + PartField.last] = 0
    this.#count += 1
  }

  #grow(): void {
    const larger = new Float64Array(this.#parts.length * 2)
    larger.set(this.#parts)
    this.#parts = larger
  }
}
