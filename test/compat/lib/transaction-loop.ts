/**
 * Loops of one client that consume, process, produce and commit both in a transaction, and what is done to them: each is
 * killed in the middle of its work and started again, as is the broker. Its suite says when.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DriverProcess } from './driver.ts'
import { idOf, type TransactionDriver } from './transaction-clients.ts'

export const loopPartitions = 3
/** By partition, of each of the three helpings that the loops are given. */
const helping = 60
const batch = 5
const loopLimitMs = 240_000
const progressLimitMs = 60_000
const pollMs = 50

/** Offset and value of each record, by partition. */
export type Parts = readonly (readonly (readonly [offset: number, value: string])[])[]

export class TransactionLoop {
  readonly id: string
  readonly topics: { readonly in: string; readonly out: string }
  /** The first thing that went wrong: the loop stands still from then on. */
  failure: unknown
  private readonly running: DriverProcess[] = []
  private given = 0

  constructor(
    private readonly driver: TransactionDriver,
    private readonly witness: DriverProcess,
  ) {
    this.id = idOf(driver.way)
    this.topics = { in: `in-${this.id}`, out: `out-${this.id}` }
  }

  /** Goes on, unless something has gone wrong already. */
  async step(what: string, run: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return
    await run().catch((error: unknown) => {
      this.failure = new Error(`${this.id}, ${what}: ${error instanceof Error ? error.message : error}`)
    })
  }

  start(index: number): void {
    const { protocol } = this.driver.way
    const process = this.driver.start()
    this.running[index] = process
    const args = {
      ...this.topics,
      transactionalId: `loop-${this.id}-${index}`,
      group: this.group,
      ...{ protocol, batch, sessionTimeoutMs: 2_000, timeoutMs: 20_000 },
    }
    // It ends by being killed.
    process.call('loop', args, loopLimitMs).catch(() => undefined)
  }

  startAll(): void {
    for (let index = 0; index < this.driver.way.loops; index++) this.start(index)
  }

  /** Kills one of them, and starts it again under the same transactional id. */
  async killOne(index: number): Promise<void> {
    await this.running[index % this.running.length]?.kill9()
    this.start(index % this.running.length)
  }

  /** What the kill of their broker leaves of them is started again, where they need that. */
  async afterBrokerKill(): Promise<void> {
    if (this.driver.way.hangsWithBroker) for (const index of this.running.keys()) await this.killOne(index)
    await this.until('all')
  }

  async end(): Promise<void> {
    await Promise.all(this.running.map(process => process.kill9()))
  }

  /** More to consume; each value is unique. */
  async give(): Promise<void> {
    for (let partition = 0; partition < loopPartitions; partition++) {
      const values = Array.from({ length: helping }, (_, i) => `${partition}:${this.given + i}`)
      await this.witness.call('give', { topic: this.topics.in, partition, values })
    }
    this.given += helping
  }

  /** Until the committed offsets say that half of the last helping is processed, or all of it. */
  async until(share: 'half' | 'all'): Promise<void> {
    const wanted = (share === 'all' ? this.given : this.given - helping / 2) * loopPartitions
    const limit = performance.now() + progressLimitMs
    for (;;) {
      const { offsets } = await this.witness.call<{ offsets: readonly number[] }>('committed', {
        ...{ group: this.group, topic: this.topics.in, partitions: loopPartitions },
      })
      if (offsets.reduce((sum, offset) => sum + Math.max(offset, 0), 0) >= wanted) return
      assert.ok(performance.now() < limit, `committed ${offsets} of ${this.given} each in time`)
      await sleep(pollMs)
    }
  }

  /** Each input's effect is there once, in its order. */
  async judge(): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const count = this.given * loopPartitions
    const { parts } = await this.witness.call<{ parts: Parts }>('read', {
      ...{ topic: this.topics.out, partitions: loopPartitions, isolation: 'read_committed' },
      ...{ count, quietMs: 500, timeoutMs: 20_000 },
    })
    for (const [partition, part] of parts.entries()) {
      const expected = Array.from({ length: this.given }, (_, i) => `did ${partition}:${i}`)
      assert.deepEqual(
        part.map(([, value]) => value),
        expected,
        `partition ${partition} of ${this.topics.out}`,
      )
    }
  }

  private get group(): string {
    return `loops-${this.id}`
  }
}
