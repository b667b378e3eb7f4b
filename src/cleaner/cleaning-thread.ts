import { assert } from '../base/assert.ts'
import type { Threads, WorkerThread } from '../base/world.ts'
import type { CleanedGroup, CleanTask } from '../native/cleaner.ts'
import type { FromThread, PassFailure, ToThread } from './protocol.ts'

/** How a pass ended. */
export type PassOutcome =
  | Exclude<FromThread, { readonly kind: 'group' }>
  /** The thread is gone, and with it the pass. */
  | { readonly kind: 'died'; readonly failure: PassFailure }

interface RunningPass {
  place(group: CleanedGroup): Promise<boolean>
  resolve(outcome: PassOutcome): void
}

/** One thread of the cleaner, as the decision thread sees it: one pass at a time. */
export class CleaningThread {
  /** It died or was ended. */
  ended = false
  private readonly thread: WorkerThread
  private running: RunningPass | undefined
  private placing = false
  private death: PassFailure | undefined

  constructor(threads: Threads) {
    this.thread = threads.start('cleaner', {
      onMessage: message => this.onMessage(message as FromThread),
      onEnd: error => this.onEnd(error),
    })
  }

  /**
   * Runs a pass; never rejects. `place` puts a cleaned segment in its place and tells whether the pass goes on; it is
   * awaited before the next segment is begun, and before this resolves.
   */
  run(task: CleanTask, stop: Int32Array, place: (group: CleanedGroup) => Promise<boolean>): Promise<PassOutcome> {
    assert(this.running === undefined && !this.ended, 'a thread runs one pass at a time')
    return new Promise(resolve => {
      this.running = { place, resolve }
      this.send({ kind: 'clean', task, stop })
    })
  }

  /** Ends it after the native call that it is in. */
  async end(): Promise<void> {
    this.ended = true
    await this.thread.end()
  }

  private send(message: ToThread): void {
    this.thread.post(message)
  }

  private onMessage(message: FromThread): void {
    const { running } = this
    if (running === undefined) return
    if (message.kind === 'group') void this.placed(running, message.group)
    else this.finish(message)
  }

  private async placed({ place }: RunningPass, group: CleanedGroup): Promise<void> {
    this.placing = true
    const go = await place(group)
    this.placing = false
    if (this.death === undefined) this.send({ kind: 'replaced', go })
    else this.finish({ kind: 'died', failure: this.death })
  }

  private onEnd(error: Error | undefined): void {
    this.ended = true
    const message = error?.message ?? 'the thread was ended'
    this.death = { code: error?.name ?? 'Ended', message, segment: -1, position: -1 }
    if (!this.placing) this.finish({ kind: 'died', failure: this.death })
  }

  private finish(outcome: PassOutcome): void {
    const { running } = this
    this.running = undefined
    running?.resolve(outcome)
  }
}
