import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { DiskClient, Produced } from './client.ts'

const untilLimitMs = 30_000

interface Entry {
  readonly topic: string
  readonly partition: number
  /** By offset: all that was acknowledged with acks=all. */
  readonly values: Map<number, string>
  /** Offsets below were given up. */
  start: number
  taken: number
  refused: number
}

/** What a test was promised, and whether it is still there. */
export class Ledger {
  private readonly client: DiskClient
  private readonly entries: Map<string, Entry>

  constructor(client: DiskClient, entries: Map<string, Entry> = new Map()) {
    this.client = client
    this.entries = entries
  }

  /** The same promises, asked of another client: after a restart. */
  with(client: DiskClient): Ledger {
    return new Ledger(client, this.entries)
  }

  async produce(topic: string, value: string, partition = 0): Promise<number> {
    const produced = await this.tryProduce(topic, value, partition)
    assert.equal(produced.code, 0, `produce to ${topic}-${partition}: ${produced.message}`)
    return produced.offset
  }

  async tryProduce(topic: string, value: string, partition = 0, client = this.client): Promise<Produced> {
    const produced = await client.produce(topic, [value], { partition })
    const entry = this.entry(topic, partition)
    if (produced.code === 0) {
      assert.ok(!entry.values.has(produced.offset), `offset ${produced.offset} was given out twice`)
      entry.values.set(produced.offset, value)
      entry.taken++
    } else entry.refused++
    return produced
  }

  /** Produces until a record is refused; returns that answer. */
  async fill(topic: string, value: string, partition = 0): Promise<Produced> {
    for (let i = 0; i < 100_000; i++) {
      const produced = await this.tryProduce(topic, value, partition)
      if (produced.code !== 0) return produced
    }
    throw new Error('nothing was ever refused')
  }

  /** Resolves once a record is taken, with how many tries were not. The broker frees space by the second. */
  async untilTaken(topic: string, value: string, partition = 0): Promise<number> {
    const deadline = performance.now() + untilLimitMs
    for (let tries = 0; ; tries++) {
      const produced = await this.tryProduce(topic, value, partition)
      if (produced.code === 0) return tries
      assert.ok(performance.now() < deadline, `${topic} is still refused: ${produced.message}`)
      await pause(20)
    }
  }

  /** Resolves once somebody else's record was refused on each of these topics, from now on. */
  async untilRefused(topics: readonly string[]): Promise<void> {
    const before = topics.map(topic => this.entry(topic, 0).refused)
    const deadline = performance.now() + untilLimitMs
    while (!topics.every((topic, i) => this.entry(topic, 0).refused > before[i]!)) {
      assert.ok(performance.now() < deadline, 'the disk does not get full')
      await pause(5)
    }
  }

  trimmed(topic: string, start: number, partition = 0): void {
    const entry = this.entry(topic, partition)
    entry.start = Math.max(entry.start, start)
  }

  forget(topic: string): void {
    for (const [key, entry] of this.entries) if (entry.topic === topic) this.entries.delete(key)
  }

  /** Behind the last acknowledged record. */
  end(topic: string, partition = 0): number {
    return Math.max(-1, ...this.entry(topic, partition).values.keys()) + 1
  }

  /** Every acknowledged record is there, as it was, and nothing that was not sent. */
  async assertReadable(): Promise<void> {
    for (const { topic, partition, values, start } of this.entries.values()) {
      const found = await this.client.readAll(topic, { partition, from: start })
      for (const [offset, value] of values) {
        if (offset < start) continue
        assert.equal(found.get(offset)?.length, value.length, `${topic}-${partition} at ${offset}`)
        assert.equal(found.get(offset), value, `${topic}-${partition} at ${offset}`)
      }
    }
  }

  /** Likewise, while retention may move the start of `topic` at any moment. */
  async assertReadableDespiteRetention(topic: string, partition = 0): Promise<void> {
    for (;;) {
      const start = await this.client.logStart(topic, partition)
      this.trimmed(topic, start, partition)
      try {
        return await this.assertReadable()
      } catch (error) {
        if ((await this.client.logStart(topic, partition)) === start) throw error
      }
    }
  }

  private entry(topic: string, partition: number): Entry {
    const key = `${topic}-${partition}`
    let entry = this.entries.get(key)
    if (entry === undefined) {
      entry = { topic, partition, values: new Map(), start: 0, taken: 0, refused: 0 }
      this.entries.set(key, entry)
    }
    return entry
  }
}
