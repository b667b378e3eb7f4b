import { SerialQueue } from '../base/serial-queue.ts'
import type { MetadataStore } from './store.ts'

const key = 'producer-ids'
/** Ids taken from the store at once; what a crash leaves of a block is never used. */
const blockIds = 1_000

/** Producer ids that no producer has had before, across restarts. */
export class ProducerIds {
  private readonly store: MetadataStore
  private readonly queue = new SerialQueue()
  private next = 0
  private end = 0

  constructor(store: MetadataStore) {
    this.store = store
  }

  /** Rejects when the store cannot write. */
  take(): Promise<bigint> {
    return this.queue.run(async () => {
      while (this.next >= this.end) await this.takeBlock()
      return BigInt(this.next++)
    })
  }

  /** One of those at hand, at once; undefined when there is none, and then `atHand` brings some. */
  takeAtHand(): bigint | undefined {
    return this.next < this.end ? BigInt(this.next++) : undefined
  }

  /** Resolves when there are some at hand; rejects when the store cannot write. */
  async atHand(): Promise<void> {
    if (this.next >= this.end)
      await this.queue.run(async () => {
        while (this.next >= this.end) await this.takeBlock()
      })
  }

  private async takeBlock(): Promise<void> {
    const entry = this.store.get(key)
    const start = entry === undefined ? 0 : (entry.value as { next: number }).next
    const { committed } = await this.store.commit({
      compare: [{ key, revision: entry?.revision ?? 0 }],
      put: [{ key, value: { next: start + blockIds } }],
      remove: [],
    })
    if (!committed) return
    this.next = start
    this.end = start + blockIds
  }
}
