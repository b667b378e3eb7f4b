import type { Timer, World } from '../base/world.ts'
import { CleaningThread } from './cleaning-thread.ts'

/** A thread without work is kept for so long: it costs some megabytes, and its start some tens of milliseconds. */
const idleMs = 30_000

interface IdleThread {
  readonly thread: CleaningThread
  readonly timer: Timer
}

/** Threads of the cleaner: started when there is work for one, ended when there was none for a while. */
export class ThreadPool {
  private readonly world: Pick<World, 'timers' | 'threads'>
  private readonly idle: IdleThread[] = []
  private readonly all = new Set<CleaningThread>()

  constructor(world: Pick<World, 'timers' | 'threads'>) {
    this.world = world
  }

  get size(): number {
    return this.all.size
  }

  /** For one pass; `giveBack` follows. */
  take(): CleaningThread {
    for (let next = this.idle.pop(); next !== undefined; next = this.idle.pop()) {
      next.timer.cancel()
      if (!next.thread.ended) return next.thread
      this.all.delete(next.thread)
    }
    const thread = new CleaningThread(this.world.threads)
    this.all.add(thread)
    return thread
  }

  giveBack(thread: CleaningThread): void {
    if (thread.ended) {
      this.all.delete(thread)
      return
    }
    const entry: IdleThread = {
      thread,
      timer: this.world.timers.after(idleMs, () => {
        this.idle.splice(this.idle.indexOf(entry), 1)
        this.all.delete(thread)
        void thread.end()
      }),
    }
    this.idle.push(entry)
  }

  /** Ends them all; resolves when they are gone. */
  async end(): Promise<void> {
    for (const { timer } of this.idle.splice(0)) timer.cancel()
    const threads = [...this.all]
    this.all.clear()
    await Promise.all(threads.map(thread => thread.end()))
  }
}
