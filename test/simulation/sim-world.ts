import { DurableFiles, type FileCalls } from '../../src/app/durable-files.ts'
import type { Disk, Storage, World } from '../../src/base/world.ts'
import { Engine } from '../../src/native/engine.ts'
import { openStorage } from '../../src/native/storage.ts'
import { MemoryNetwork } from '../support/memory-network.ts'
import { MemoryThreads } from '../support/memory-threads.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { VirtualTime } from '../support/virtual-time.ts'
import { type RawSimEngine, simAddon } from './sim-addon.ts'
import { SimFileCalls } from './sim-file-calls.ts'
import type { SimMachine } from './sim-machine.ts'

const flushMaxAgeMs = 100
const flushMaxBytes = 64 << 20

export interface WorldOptions {
  readonly seed: number
  readonly startMs: number
  /** Puts something between the broker and the calls to its disk. */
  readonly between?: (calls: FileCalls) => FileCalls
}

/**
 * Virtual time in which threads are simulated, too: what waits for libuv's pool, for native calls and for the flush pool
 * is done one piece after the other, in an order that the seed draws. After a crash of the machine nothing moves.
 */
class SimTime extends VirtualTime {
  private readonly pool: (() => void)[] = []
  private readonly random: SeededRandom
  private readonly engine: () => RawSimEngine
  private readonly machine: SimMachine

  constructor(options: WorldOptions, machine: SimMachine, engine: () => RawSimEngine) {
    super(options.startMs)
    this.random = new SeededRandom(options.seed)
    this.machine = machine
    this.engine = engine
    simAddon.setTime(machine.disk, options.startMs)
  }

  readonly onPool = <T>(call: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      this.pool.push(() => {
        try {
          resolve(call())
        } catch (error) {
          reject(error)
        }
      })
    })

  /** A completion that was there before is delivered by the loop: it takes another look to see it. */
  override async settle(): Promise<void> {
    await super.settle()
    await super.settle()
  }

  /** The flush pool looks at the time, too. */
  override async advance(ms: number): Promise<void> {
    await super.advance(ms)
    await this.settle()
  }

  protected override work(): boolean {
    if (this.machine.crashed) return false
    const engine = this.engine()
    const held = engine.heldCalls()
    const waiting = this.pool.length + held
    // Only what can make a difference draws: how often the loop looks is not the seed's doing.
    const drawn = waiting === 0 ? 0 : this.random.below(waiting + 1)
    if (drawn === waiting && engine.flushOnce(this.monotonicMs()) > 0) return true
    if (waiting === 0) return false
    const chosen = drawn === waiting ? this.random.below(waiting) : drawn
    if (chosen < held) engine.runHeldCall(chosen)
    else this.pool.splice(chosen - held, 1)[0]!()
    return true
  }

  protected override timePassed(): void {
    simAddon.setTime(this.machine.disk, this.wallMs())
  }
}

/** One process on a simulated machine: real storage, all else virtual. */
export class SimWorld implements World {
  readonly machine: SimMachine
  readonly time: SimTime
  readonly clock: SimTime
  readonly timers: SimTime
  readonly random: SeededRandom
  readonly disk: Disk
  readonly storage: Storage
  readonly network: MemoryNetwork
  readonly threads: MemoryThreads
  private readonly raw: RawSimEngine

  constructor(machine: SimMachine, options: WorldOptions) {
    this.machine = machine
    this.raw = simAddon.createSimEngine(machine.disk, flushMaxAgeMs, flushMaxBytes)
    this.time = this.clock = this.timers = new SimTime(options, machine, () => this.raw)
    this.random = new SeededRandom(options.seed ^ 0x5eed)
    const calls = new SimFileCalls(machine, this.time.onPool)
    this.disk = new DurableFiles(options.between?.(calls) ?? calls)
    this.storage = openStorage(new Engine({}, { ...simAddon, createEngine: () => this.raw }))
    this.network = new MemoryNetwork(
      this.time,
      () => this,
      (arena, bytes) => this.raw.lendArena(arena, bytes),
    )
    this.threads = new MemoryThreads(this.time)
  }

  /** For the network. What a dead process cannot read it does not send. */
  readRegion(region: number, from: number, into: Uint8Array): number {
    try {
      return this.storage.readRegion(region, from, into)
    } catch (error) {
      if (!this.machine.crashed) throw error
      return into.length
    }
  }

  releaseRegion(region: number): void {
    this.storage.releaseRegion(region)
  }

  /** The process is gone: its native side lets go of everything as it is. */
  abandon(): void {
    this.raw.abandon()
  }
}
