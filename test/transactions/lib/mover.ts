import type { History } from './history.ts'
import { Abortable, Fenced, RawProducer } from './producer.ts'
import { RawReader } from './reader.ts'
import { Killed, type Surroundings } from './wire.ts'

export interface MoverOptions {
  readonly transactionalId: string
  readonly transactionVersion: 1 | 2
  readonly timeoutMs: number
  readonly from: string
  readonly to: string
  readonly partitions: number
  readonly pauseMs: number
  readonly lifeMs: number
}

/** What a mover makes of a value. */
export const moved = (value: string): string => `moved ${value}`

/**
 * Consumes a topic's committed records and produces one of its own for each, partition by partition, with its offsets in
 * the same transaction: whatever happens to it, each record has its effect once, and in order.
 */
class Mover {
  readonly producer: RawProducer
  private readonly reader: RawReader
  private readonly at: Surroundings
  private readonly options: MoverOptions
  stopping = false

  constructor(at: Surroundings, history: History, options: MoverOptions) {
    const { transactionalId: name, from: topic, partitions } = options
    this.at = at
    this.options = options
    this.producer = new RawProducer(at, { ...options, topic: options.to })
    this.reader = new RawReader(at, history, { name, topic, partitions, committedOnly: true })
  }

  kill(): void {
    this.producer.kill()
    this.reader.kill()
  }

  /** True once it has nothing more to move and was told to stop; false when it was fenced or killed before. */
  async run(): Promise<boolean> {
    try {
      await this.producer.init()
      await this.goBack()
      while ((await this.step()) || !this.stopping)
        await this.producer.pause(this.at.random.below(this.options.pauseMs))
      return true
    } catch (error) {
      if (!(error instanceof Fenced || error instanceof Abortable || error instanceof Killed)) throw error
      return false
    }
  }

  /** To where its last transaction left off. */
  private async goBack(): Promise<void> {
    const { transactionalId, from, partitions } = this.options
    const offsets = await this.producer.committedOffsets(transactionalId, from, partitions)
    for (const [partition, offset] of offsets.entries()) {
      this.reader.takeSeen(partition)
      this.reader.startAt(partition, Math.max(offset, 0))
    }
  }

  /** One transaction; false when there was nothing to move. */
  private async step(): Promise<boolean> {
    const { transactionalId, from, partitions } = this.options
    if ((await this.reader.poll(100)) === undefined) return true
    const values = new Map<number, string[]>()
    const offsets = new Map<number, number>()
    for (let partition = 0; partition < partitions; partition++) {
      const seen = this.reader.takeSeen(partition)
      if (seen.length === 0) continue
      values.set(
        partition,
        seen.map(({ value }) => moved(value)),
      )
      offsets.set(partition, this.reader.offsetOf(partition))
    }
    if (values.size === 0) return false
    await this.producer.send(values)
    await this.producer.commitOffsets(transactionalId, from, offsets)
    await this.producer.end(!this.at.random.chance(0.1) || this.stopping)
    await this.goBack()
    return true
  }
}

/** One group's movers, one after the other, until all is moved. */
export async function mover(
  at: Surroundings,
  history: History,
  options: MoverOptions,
  over: () => boolean,
): Promise<void> {
  for (;;) {
    const last = over()
    const life = new Mover(at, history, options)
    life.stopping = last
    let ended = false
    const running = life.run().finally(() => {
      ended = true
    })
    running.catch(() => {})
    const untilMs = at.nowMs() + options.lifeMs * (0.5 + at.random.next())
    while (!ended && (last || (!over() && at.nowMs() < untilMs))) await at.pause(options.pauseMs)
    // Unless it is the last it is killed, or left behind as a zombie that the next one fences.
    if (ended && (await running) && last) return
    if (!ended && at.random.chance(0.5)) life.kill()
  }
}
