import type { Worker } from 'node:worker_threads'

/** What a module of Node's has since 22.15 and 23.8. */
interface NodeZstd {
  zstdDecompress?(
    bytes: Uint8Array,
    options: { maxOutputLength: number },
    done: (error: Error | null, unfolded: Uint8Array) => void,
  ): void
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

let nodeZstd: NodeZstd | undefined

/**
 * Unfolds a run of zstd frames that holds at most `roomBytes`, as `zstdUnfoldedMax` tells, on another thread: one of
 * Node's pool where Node has the codec, else a worker with a decoder in WebAssembly. Rejects where the bytes are wrong.
 */
export async function unfoldZstd(bytes: Uint8Array, frames: number, roomBytes: number): Promise<Uint8Array> {
  if (roomBytes === 0) return new Uint8Array()
  nodeZstd ??= (await import('node:zlib')) as NodeZstd
  const { zstdDecompress } = nodeZstd
  // Node's own stops behind the first frame.
  if (zstdDecompress === undefined || frames !== 1) return await unfoldInWorker(bytes, roomBytes)
  return await new Promise((resolve, reject) => {
    zstdDecompress(bytes, { maxOutputLength: roomBytes }, (error, unfolded) =>
      error === null ? resolve(unfolded) : reject(error),
    )
  })
}

/** The same at once, on this thread; undefined where this Node cannot, or did not load what it takes. */
export function unfoldZstdNow(bytes: Uint8Array, frames: number, roomBytes: number): Uint8Array | undefined {
  if (nodeZstd?.zstdDecompressSync === undefined || frames !== 1 || roomBytes === 0) return undefined
  return nodeZstd.zstdDecompressSync(bytes, { maxOutputLength: roomBytes })
}

interface Job {
  resolve(unfolded: Uint8Array): void
  reject(error: Error): void
}

/** Memory of WebAssembly only grows, so a worker that made more room than this ends with its last job. */
const keptRoomBytes = 16 << 20

// Plain JavaScript, so that it runs the same from a bundle. The decoder tells an error by giving nothing.
const workerCode = `
const { parentPort, workerData } = require('node:worker_threads')
const ready = import(workerData).then(async ({ ZSTDDecoder }) => {
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return decoder
})
parentPort.on('message', async ({ bytes, roomBytes }) => {
  const unfolded = (await ready).decode(bytes, roomBytes)
  parentPort.postMessage(unfolded, [unfolded.buffer])
})`

let current: ZstdWorker | undefined

async function unfoldInWorker(bytes: Uint8Array, roomBytes: number): Promise<Uint8Array> {
  if (current === undefined || current.ended) {
    const { Worker } = await import('node:worker_threads')
    // Another call may have made one meanwhile.
    if (current === undefined || current.ended)
      current = new ZstdWorker(
        new Worker(workerCode, { eval: true, workerData: import.meta.resolve('zstddec'), execArgv: [] }),
      )
  }
  return await current.unfold(bytes, roomBytes)
}

/** Answers come in the order of the jobs. The process waits for it only while there are any. */
class ZstdWorker {
  private readonly worker: Worker
  private readonly jobs: Job[] = []
  private roomBytes = 0
  ended = false

  constructor(worker: Worker) {
    this.worker = worker
    worker.unref()
    worker.on('message', (unfolded: Uint8Array) => {
      const job = this.jobs.shift()
      if (unfolded.length > 0) job?.resolve(unfolded)
      else job?.reject(new Error('a zstd frame is damaged'))
      if (this.jobs.length > 0) return
      worker.unref()
      if (this.roomBytes > keptRoomBytes) this.end(new Error('the thread that unfolds zstd was ended'))
    })
    worker.on('error', error => this.end(error))
    worker.on('exit', () => this.end(new Error('the thread that unfolds zstd is gone')))
  }

  unfold(bytes: Uint8Array, roomBytes: number): Promise<Uint8Array> {
    this.roomBytes = Math.max(this.roomBytes, roomBytes)
    this.worker.ref()
    return new Promise((resolve, reject) => {
      this.jobs.push({ resolve, reject })
      this.worker.postMessage({ bytes, roomBytes })
    })
  }

  private end(error: Error): void {
    if (this.ended) return
    this.ended = true
    void this.worker.terminate()
    for (const { reject } of this.jobs.splice(0)) reject(error)
  }
}
