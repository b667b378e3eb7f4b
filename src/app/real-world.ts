import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { World } from '../base/world.ts'
import { lookAtDirectory, putFiles } from '../native/directories.ts'
import { Engine, type EngineOptions } from '../native/engine.ts'
import { openNetwork } from '../native/network.ts'
import { lockFile, sinceExecMs } from '../native/process.ts'
import { openStorage } from '../native/storage.ts'
import { realClock, realTimers } from './real-clock.ts'
import { realDisk } from './real-disk.ts'
import { RealThreads } from './real-threads.ts'

export interface RealWorld extends World {
  /** Milliseconds since exec of this process. */
  sinceExecMs(): number
}

/** The one real world: this machine's clock, disk and network, on an engine of its own. */
export function realWorld(options: EngineOptions = {}): RealWorld {
  const engine = new Engine(options)
  return {
    clock: realClock,
    timers: realTimers,
    random: { next: () => Math.random(), bytes: count => randomBytes(count) },
    disk: realDisk(lockFile, { look: lookAtDirectory, put: putFiles }),
    storage: openStorage(engine),
    network: openNetwork(engine),
    threads: new RealThreads(),
    sinceExecMs: () => sinceExecMs(performance.now()),
  }
}
