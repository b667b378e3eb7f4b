import { Machine } from '../../support/machine.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { TestBroker } from '../../support/test-broker.ts'
import { VirtualTime } from '../../support/virtual-time.ts'

/** A whole copy: whatever a process that is dead still does, it does to what nobody looks at any more. */
function copyOf(machine: Machine): Machine {
  const copy = new Machine()
  for (const [path, bytes] of machine.files) copy.files.set(path, bytes.slice())
  for (const path of machine.directories) copy.directories.add(path)
  for (const [path, content] of machine.logs)
    copy.logs.set(path, { ...content, batches: [...content.batches], segments: [...content.segments] })
  copy.boot = machine.boot
  return copy
}

/** Flushes take up to so long. */
const flushMs = 8

/**
 * A broker in a world in memory that is killed, or loses its power, between any two of its steps, and comes back on what
 * is left of its disk. Time passes for it and for its clients together.
 */
export class SimulatedBroker {
  /** Of the clients, and of whatever lies between them and the broker; it goes on while the broker is down. */
  readonly clients = new VirtualTime()
  crashes = 0
  /** Told when every connection is gone. */
  onCrash: () => void = () => {}
  private readonly random: SeededRandom
  private readonly seed: number
  private readonly configs: Readonly<Record<string, string>>
  private machine = new Machine()
  private broker: TestBroker | undefined
  private nextFlushMs = 0

  constructor(random: SeededRandom, seed: number, configs: Readonly<Record<string, string>>) {
    this.random = random
    this.seed = seed
    this.configs = configs
  }

  get running(): TestBroker | undefined {
    return this.broker
  }

  async start(): Promise<void> {
    const passedMs = this.clients.monotonicMs()
    this.broker = await TestBroker.start(this.configs, this.machine, this.seed + this.crashes, world => {
      world.time.jumpWall(passedMs)
    })
    this.broker.world.storage.holdFlushes = true
  }

  /** kill -9, or with `power` all that the disk has not got is gone. */
  crash(power: boolean): void {
    this.crashes++
    this.machine = copyOf(this.machine)
    if (power) this.machine.losePower()
    else this.machine.killProcess()
    this.broker = undefined
    this.onCrash()
  }

  /** A little time passes. */
  async step(): Promise<void> {
    const ms = 1 + this.random.below(4)
    await this.clients.advance(ms)
    const { broker } = this
    if (broker === undefined) return
    await broker.world.time.advance(ms)
    if (broker !== this.broker || this.clients.monotonicMs() < this.nextFlushMs) return
    this.nextFlushMs = this.clients.monotonicMs() + this.random.below(flushMs)
    broker.world.storage.flush()
    await broker.world.time.settle()
  }

  async stop(): Promise<void> {
    if (this.broker === undefined) return
    this.broker.world.storage.holdFlushes = false
    this.broker.world.storage.flush()
    await this.broker.stop()
  }
}
