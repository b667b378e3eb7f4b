import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { ThreadListener, ThreadName, Threads, WorkerThread } from '../base/world.ts'

/**
 * Threads of Node's, each with a JavaScript heap of its own. Unless they are to keep the process alive, whoever waits for
 * one has to do that.
 */
export class RealThreads implements Threads {
  private readonly keepAlive: boolean

  constructor({ keepAlive = true } = {}) {
    this.keepAlive = keepAlive
  }

  start(name: ThreadName, listener: ThreadListener): WorkerThread {
    const worker = startWorker(name)
    let error: Error | undefined
    let ended = false
    worker.on('message', (message: unknown) => listener.onMessage(message))
    worker.on('error', (reason: unknown) => {
      error = reason instanceof Error ? reason : new Error(String(reason))
    })
    worker.on('exit', code => {
      const died = error ?? new Error(`the thread ended with code ${code}`)
      listener.onEnd(ended && error === undefined ? undefined : died)
    })
    // Only here: listening to a worker refers to it anew.
    if (!this.keepAlive) worker.unref()
    return {
      post: message => worker.postMessage(message),
      async end() {
        ended = true
        await worker.terminate()
      },
    }
  }
}

/** Beside this module's bundle, or the source as it is. */
function startWorker(name: ThreadName): Worker {
  const source = new URL(`./${name}-thread.ts`, import.meta.url)
  if (!existsSync(source)) return new Worker(bundleOf(name), { execArgv: [] })
  // Node 20 keeps a loader of TypeScript out of a thread's first module.
  const loader = import.meta.resolve('tsx/esm/api')
  const code = `import('${loader}').then(({ register }) => { register(); return import('${source}') })`
  return new Worker(code, { eval: true, execArgv: [] })
}

/** What loads on first use lies in a folder below. */
function bundleOf(name: ThreadName): URL {
  const beside = new URL(`./${name}-thread.js`, import.meta.url)
  return existsSync(beside) ? beside : new URL(`../${name}-thread.js`, import.meta.url)
}
