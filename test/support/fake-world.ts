import type { World } from '../../src/base/world.ts'
import { Machine } from './machine.ts'
import { MemoryDisk } from './memory-disk.ts'
import { MemoryNetwork } from './memory-network.ts'
import { MemoryStorage } from './memory-storage.ts'
import { MemoryThreads } from './memory-threads.ts'
import { SeededRandom } from './seeded-random.ts'
import { VirtualTime } from './virtual-time.ts'

/** A whole world in memory: no thread, no file, no socket, and no time but what a test lets pass. */
export class FakeWorld implements World {
  readonly machine: Machine
  readonly time: VirtualTime
  readonly clock: VirtualTime
  readonly timers: VirtualTime
  readonly random: SeededRandom
  readonly disk: MemoryDisk
  readonly storage: MemoryStorage
  readonly network: MemoryNetwork
  readonly threads: MemoryThreads

  /** A process of its own on `machine`; the next one after a crash is another FakeWorld on the same machine. */
  constructor(machine: Machine = new Machine(), seed = 1) {
    this.machine = machine
    this.time = this.clock = this.timers = new VirtualTime()
    this.random = new SeededRandom(seed)
    this.disk = new MemoryDisk(machine)
    this.storage = new MemoryStorage(machine, this.time, arena => this.network.arenaBytes(arena))
    this.network = new MemoryNetwork(this.time, () => this.storage)
    this.threads = new MemoryThreads(this.time)
  }
}
