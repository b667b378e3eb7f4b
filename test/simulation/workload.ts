import type { FileCalls } from '../../src/app/durable-files.ts'
import { Client } from './client.ts'
import type { Model } from './model.ts'
import type { SimMachine } from './sim-machine.ts'
import { Crashed, SimProcess } from './sim-process.ts'
import { type Survivors, verify } from './verify.ts'

export const firstMs = 1_700_000_000_000
const restartMs = 500

export interface RunOptions {
  readonly nowMs?: number
  readonly between?: ((calls: FileCalls) => FileCalls) | undefined
  readonly failingCall?: number
}

/** A machine, the process that runs on it now, and what its clients know. */
export class Run {
  readonly machine: SimMachine
  readonly model: Model
  private readonly seed: number
  private readonly between: ((calls: FileCalls) => FileCalls) | undefined
  /** The call to the disk that fails: what is asked for may be refused, and the broker may not start at first. */
  private failingCall: number | undefined
  /** Every call of the process that runs now succeeds. */
  private sound = true
  private running: SimProcess | undefined
  private starts = 0
  private nowMs: number

  constructor(
    machine: SimMachine,
    model: Model,
    seed: number,
    { nowMs = firstMs, between, failingCall }: RunOptions = {},
  ) {
    this.machine = machine
    this.model = model
    this.seed = seed
    this.nowMs = nowMs
    this.between = between
    this.failingCall = failingCall
  }

  async start(): Promise<void> {
    try {
      this.running = await this.startOnce()
    } catch (error) {
      if (this.sound || error instanceof Crashed) throw error
      this.running = await this.startOnce()
    }
  }

  /** From now on this call is one to fail. */
  expectFailure(call: number): void {
    this.failingCall = call
    this.sound = false
  }

  private startOnce(): Promise<SimProcess> {
    this.sound = this.failingCall === undefined || this.machine.callCount >= this.failingCall
    const options = { seed: this.seed * 100 + this.starts++, startMs: this.nowMs }
    return SimProcess.start(this.machine, this.between === undefined ? options : { ...options, between: this.between })
  }

  /** Compares all that is there with what clients know; not where a call fails, when something may be out of reach. */
  async look(survivors: Survivors): Promise<void> {
    if (!this.sound) return
    await this.do(client => verify(client, this.syncFailed ? 'durable' : survivors))
  }

  /** The call that failed was a sync: what it has lost was promised to nobody but those who do not wait for syncs. */
  get syncFailed(): boolean {
    return this.failingCall !== undefined && this.machine.calls[this.failingCall - 1]?.includes('fsync') === true
  }

  get process(): SimProcess {
    return this.running!
  }

  /** The wall clock of the machine. */
  get wallMs(): number {
    return this.running?.world.clock.wallMs() ?? this.nowMs
  }

  async stop(): Promise<void> {
    this.noteTime()
    try {
      await this.process.stop()
    } catch (error) {
      if (this.sound || error instanceof Crashed) throw error
      await this.kill()
    }
  }

  async kill(): Promise<void> {
    this.noteTime()
    if (this.running !== undefined) await this.running.kill()
    this.running = undefined
  }

  /** Runs what clients do, at once where it is several things. */
  async do<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return await this.process.during(work(new Client(this.process, this.model)))
  }

  advance(ms: number): Promise<void> {
    return this.process.advance(ms)
  }

  private noteTime(): void {
    this.nowMs = this.wallMs + restartMs
  }
}

/**
 * The workload of the sweeps: topics that come, grow, change, go and come again; records with and without idempotence,
 * awaited and not; segments that roll; DeleteRecords and retention; clean restarts and a killed process.
 */
export async function recordedWorkload(run: Run): Promise<void> {
  await run.start()
  await run.do(client => client.createTopic('orders', 2, { 'segment.ms': '4000' }))
  const first = await run.do(client => client.initProducer())
  await run.do(async client => {
    await Promise.all([
      client.produce('orders', 0, { records: 3, valueBytes: 700, producerId: first }),
      client.produce('orders', 1, { records: 2, acks: 1 }),
      client.createTopic('brief', 1, { 'retention.ms': '8000', 'segment.ms': '3000' }),
    ])
    await client.produce('orders', 0, { records: 2, valueBytes: 1500, producerId: first })
    await client.produce('orders', 0, { records: 2, acks: 1 })
  })
  await run.do(client => client.commit('orders'))
  await run.advance(1_200) // A checkpoint.
  await run.do(client =>
    Promise.all([
      client.produce('brief', 0, { records: 4, valueBytes: 300, producerId: first }),
      client.addPartitions('orders', 3),
      client.produce('orders', 0, { records: 1, valueBytes: 2000, producerId: first }),
    ]),
  )
  await run.do(client => client.createTopic('cached', 1, { 'write.caching': 'true', 'segment.ms': '2000' }))
  await run.do(client => client.produce('cached', 0, { records: 2, producerId: first }))
  await run.advance(4_500)
  await run.do(client =>
    Promise.all([
      client.produce('orders', 0, { records: 2, producerId: first }), // Rolls.
      client.produce('orders', 2, { records: 2, acks: 1 }),
      client.produce('brief', 0, { records: 1, producerId: first }), // Rolls.
      client.produce('cached', 0, { records: 2, valueBytes: 900, producerId: first }),
      client.alterConfig('orders', 'max.message.bytes', '200000'),
      client.commit('orders'),
    ]),
  )
  await run.do(client => client.deleteRecords('orders', 0, Math.max(0, client.endOf('orders', 0) - 1)))
  await run.do(client => client.produce('orders', 1, { records: 5, valueBytes: 400 }))
  await run.stop()
  await run.start()
  await run.look('all')
  const second = await run.do(client => client.initProducer())
  await run.do(async client => {
    await client.produce('orders', 0, { records: 2, producerId: second })
    await client.deleteTopic('cached')
    await Promise.all([
      client.createTopic('cached', 2),
      client.produce('orders', 0, { records: 1, valueBytes: 1000, producerId: first }),
      client.deleteRecords('orders', 1, 3),
    ])
    await client.produce('cached', 0, { records: 3, producerId: second })
    await client.produce('cached', 1, { records: 1, acks: 1 })
  })
  await run.advance(6_000) // Retention takes what is in `brief`.
  await run.do(client =>
    Promise.all([client.produce('brief', 0, { records: 2, producerId: first }), client.commit('orders')]),
  )
  await run.kill()
  await run.start()
  await run.look('written')
  await run.do(async client => {
    await client.alterConfig('brief', 'retention.ms', undefined)
    await client.deleteRecords('orders', 0, client.endOf('orders', 0))
    await Promise.all([
      client.deleteTopic('cached'),
      client.produce('orders', 0, { records: 2, producerId: second }),
      client.produce('orders', 2, { records: 2, valueBytes: 600 }),
    ])
    await client.createTopic('cached', 1)
    await client.produce('cached', 0, { records: 1 })
  })
  await run.advance(1_100)
  await run.stop()
}
