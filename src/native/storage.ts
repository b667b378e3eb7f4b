import { type LogSettings, type OpenReport, OpenTrust, type Storage, type StoredLog } from '../base/world.ts'
import { CompletionField, Slot } from './addon.ts'
import { type DeliverySink, type Engine, guarded } from './engine.ts'
import { fromNative } from './errors.ts'
import { BlockLastAppend } from './last-append.ts'
import { loadAddon } from './load-addon.ts'
import { StatusCode } from './status.ts'
import { NativeLog, settingsCount, storeSettings } from './stored-log.ts'

type DurableListener = (log: StoredLog, durableOffset: number) => void
type FailedListener = (log: StoredLog, code: number, systemError: number) => void
type GatheredListener = (log: StoredLog, status: number) => void

export const openStorage = (engine: Engine): Storage => new NativeStorage(engine)

/**
 * The logs of one engine. It holds them weakly: a log that its user forgot to close is closed, cleanly, once the garbage
 * collector finds it.
 */
class NativeStorage implements Storage, DeliverySink {
  readonly #engine: Engine
  readonly #logs = new Map<number, WeakRef<NativeLog>>()
  readonly #abandoned: FinalizationRegistry<number>
  readonly #lastAppend: BlockLastAppend
  readonly #durableListeners: DurableListener[] = []
  readonly #failedListeners: FailedListener[] = []
  readonly #gatheredListeners: GatheredListener[] = []
  /** Logs that have gathered appends. */
  #gathering: NativeLog[] = []

  constructor(engine: Engine) {
    this.#engine = engine
    this.#lastAppend = new BlockLastAppend(engine.raw.block)
    this.#abandoned = new FinalizationRegistry(number => this.#closeAbandoned(number))
    engine.onCompletions(this)
  }

  async openLog(
    directory: string,
    settings: LogSettings,
    trust: OpenTrust,
    recoveryPoint: number,
    logStartOffset: number,
    syncWithFirstFlush = false,
  ): Promise<{ log: StoredLog; report: OpenReport }> {
    const { raw } = this.#engine
    const rest = Slot.argument + settingsCount
    storeSettings(raw.block, settings)
    raw.block[rest] = trust
    raw.block[rest + 1] = recoveryPoint
    raw.block[rest + 2] = logStartOffset
    raw.block[rest + 3] = syncWithFirstFlush ? 1 : 0
    let opened: Float64Array
    try {
      opened = await raw.openLog(directory)
    } catch (failure) {
      throw fromNative(`open the log in ${directory}`, failure)
    }
    const number = opened[0]!
    const log = new NativeLog(
      raw,
      directory,
      number,
      this.#lastAppend,
      gone => this.#forget(gone),
      gathers => this.#gathering.push(gathers),
    )
    this.#logs.set(number, new WeakRef(log))
    this.#abandoned.register(log, number, log)
    return {
      log,
      report: {
        logStartOffset: opened[1]!,
        logEndOffset: opened[2]!,
        segments: opened[3]!,
        scannedBytes: opened[4]!,
        indexesRebuilt: opened[5]!,
        cutBytes: opened[6]!,
        cutFromOffset: opened[7]!,
        ...(syncWithFirstFlush && trust !== OpenTrust.clean ? { unsynced: true } : {}),
      },
    }
  }

  async syncFileSystem(directory: string): Promise<void> {
    try {
      await this.#engine.raw.syncFileSystem(directory)
    } catch (failure) {
      throw fromNative(`sync the file system of ${directory}`, failure)
    }
  }

  limitOpenFiles(reserved: number): number {
    return loadAddon().limitOpenFiles(reserved)
  }

  keepFree(bytes: number): void {
    this.#engine.raw.keepFree(bytes)
  }

  lendLocalArena(bytes: Uint8Array): void {
    this.#engine.raw.lendLocalArena(bytes)
  }

  flushTogether(run: () => void): void {
    const { raw } = this.#engine
    raw.gatherFlushes(true)
    try {
      run()
    } finally {
      raw.gatherFlushes(false)
    }
  }

  gatherAppends(more: boolean, onLost: () => void): void {
    const written = this.#engine.raw.gatherAppends(more) === StatusCode.ok
    const logs = this.#gathering
    if (logs.length === 0) return
    this.#gathering = []
    for (const log of logs) log.gathers = false
    if (!written) {
      for (const log of logs) {
        const status = log.takeLoss()
        if (status !== StatusCode.ok) this.#tellGathered(log, status)
      }
      onLost()
    }
    for (const log of logs) this.#tellGathered(log, StatusCode.ok)
  }

  #tellGathered(log: StoredLog, status: number): void {
    for (const listener of this.#gatheredListeners) guarded(() => listener(log, status))
  }

  releaseRegion(region: number): void {
    this.#engine.raw.releaseRegion(region)
  }

  readRegion(region: number, from: number, into: Uint8Array): number {
    return this.#engine.raw.readRegion(region, from, into)
  }

  onDurable(listener: DurableListener): void {
    this.#durableListeners.push(listener)
  }

  onFailed(listener: FailedListener): void {
    this.#failedListeners.push(listener)
  }

  onGathered(listener: GatheredListener): void {
    this.#gatheredListeners.push(listener)
  }

  /** For the engine: `count` completions lie in its shared array. */
  deliver(count: number): void {
    const { completions } = this.#engine.raw
    for (let index = 0; index < count; index++) {
      const at = index * CompletionField.count
      // A log that is closing is not in the map any more: its last completions concern nobody.
      const log = this.#logs.get(completions[at + CompletionField.log]!)?.deref()
      if (log === undefined) continue
      const status = completions[at + CompletionField.status]!
      const durableOffset = completions[at + CompletionField.durableOffset]!
      const systemError = completions[at + CompletionField.systemError]!
      if (status === 0) {
        for (const listener of this.#durableListeners) guarded(() => listener(log, durableOffset))
      } else {
        for (const listener of this.#failedListeners) guarded(() => listener(log, status, systemError))
      }
    }
  }

  /** Ends the engine, the network on it included. Close the logs before: what is still open is not closed cleanly. */
  close(): Promise<void> {
    this.#logs.clear()
    return this.#engine.close()
  }

  #forget(number: number): void {
    const log = this.#logs.get(number)?.deref()
    if (log !== undefined) this.#abandoned.unregister(log)
    this.#logs.delete(number)
  }

  async #closeAbandoned(number: number): Promise<void> {
    if (!this.#logs.delete(number)) return
    try {
      await this.#engine.raw.closeLog(number, true, false)
    } catch {
      // Its user is gone, and so is whoever could be told. The files are as after a crash of the process.
    }
  }
}
