import { assert } from '../../../base/assert.ts'
import { type Uuid, zeroUuid } from '../../../protocol/index.ts'
import type { CommittedOffset } from './committed-offset.ts'

const slotsPerChunk = 256
const slotBits = 8
const slotMask = slotsPerChunk - 1

interface Chunk {
  /** Of each slot: offset, commit timestamp, expire timestamp, leader epoch. A free slot has the next free one first. */
  readonly numbers: Float64Array
  readonly metadata: string[]
  readonly topicIds: Uuid[]
}

/**
 * Committed offsets in columns, each in a numbered slot: 48 bytes, and no object that the garbage collector would have to
 * move and visit, where there may be millions. Chunks are never copied and never given back: what expired makes room for
 * what comes.
 */
export class OffsetSlots {
  private readonly chunks: Chunk[] = []
  private firstFree = -1
  private count = 0

  get size(): number {
    return this.count
  }

  /** Stores what was committed in a new slot; `topicId` is that of `committed`, as a string that others share. */
  add(committed: CommittedOffset, topicId: Uuid): number {
    if (this.firstFree < 0) this.grow()
    const slot = this.firstFree
    this.firstFree = this.chunk(slot).numbers[(slot & slotMask) * 4]!
    this.count++
    this.set(slot, committed, topicId)
    return slot
  }

  set(slot: number, committed: CommittedOffset, topicId: Uuid): void {
    const { numbers, metadata, topicIds } = this.chunk(slot)
    const at = slot & slotMask
    numbers[at * 4] = committed.offset
    numbers[at * 4 + 1] = committed.commitTimestamp
    numbers[at * 4 + 2] = committed.expireTimestamp
    numbers[at * 4 + 3] = committed.leaderEpoch
    metadata[at] = committed.metadata
    topicIds[at] = topicId
  }

  get(slot: number): CommittedOffset {
    const { numbers, metadata, topicIds } = this.chunk(slot)
    const at = slot & slotMask
    return {
      offset: numbers[at * 4]!,
      commitTimestamp: numbers[at * 4 + 1]!,
      expireTimestamp: numbers[at * 4 + 2]!,
      leaderEpoch: numbers[at * 4 + 3]!,
      metadata: metadata[at]!,
      topicId: topicIds[at]!,
    }
  }

  remove(slot: number): void {
    const { numbers, metadata, topicIds } = this.chunk(slot)
    const at = slot & slotMask
    metadata[at] = ''
    topicIds[at] = zeroUuid
    numbers[at * 4] = this.firstFree
    this.firstFree = slot
    this.count--
  }

  private chunk(slot: number): Chunk {
    const chunk = this.chunks[slot >> slotBits]
    assert(chunk !== undefined, 'a slot that was given out has a chunk', { slot })
    return chunk
  }

  private grow(): void {
    const first = this.chunks.length * slotsPerChunk
    const numbers = new Float64Array(slotsPerChunk * 4)
    for (let at = 0; at < slotsPerChunk; at++) numbers[at * 4] = at === slotMask ? -1 : first + at + 1
    this.chunks.push({
      numbers,
      metadata: new Array<string>(slotsPerChunk).fill(''),
      topicIds: new Array<Uuid>(slotsPerChunk).fill(zeroUuid),
    })
    this.firstFree = first
  }
}
