import { createRequire } from 'node:module'
import type { MessagePort, Worker } from 'node:worker_threads'

/** Where Node has no zstd of its own (before 22.15), or holds more than one frame, a worker unfolds and is waited for. */
interface Waited {
  readonly worker: Worker
  readonly port: MessagePort
  /** 1 when an answer is there. */
  readonly answered: Int32Array
}

interface NodeZstd {
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

// Plain JavaScript, so that it runs the same from a bundle. The decoder tells an error by giving nothing.
const workerCode = `
const { workerData: { decoder, port, answered } } = require('node:worker_threads')
const ready = import(decoder).then(async ({ ZSTDDecoder }) => {
  const decoder = new ZSTDDecoder()
  await decoder.init()
  return decoder
})
port.on('message', async ({ bytes, roomBytes }) => {
  let unfolded = new Uint8Array()
  try {
    unfolded = (await ready).decode(bytes, roomBytes)
  } catch {}
  port.postMessage(unfolded)
  Atomics.store(answered, 0, 1)
  Atomics.notify(answered, 0)
})`

/** Long beyond what 128 MB take: a worker that does not answer is not waited for. */
const answerMsMax = 60_000

let waited: Waited | undefined

/**
 * Unfolds a run of zstd frames that holds at most `roomBytes`, as `zstdUnfoldedMax` tells, before it returns. Throws where
 * the bytes are wrong.
 */
export function unfoldZstdHere(bytes: Uint8Array, frames: number, roomBytes: number): Uint8Array {
  if (roomBytes === 0) return new Uint8Array()
  const require = createRequire(import.meta.url)
  const { zstdDecompressSync } = require('node:zlib') as NodeZstd
  // Node's own stops behind the first frame.
  if (zstdDecompressSync !== undefined && frames === 1) return zstdDecompressSync(bytes, { maxOutputLength: roomBytes })
  const { receiveMessageOnPort } = require('node:worker_threads') as typeof import('node:worker_threads')
  waited ??= startWorker(require)
  const { port, answered } = waited
  Atomics.store(answered, 0, 0)
  port.postMessage({ bytes: bytes.slice(), roomBytes })
  if (Atomics.wait(answered, 0, 0, answerMsMax) === 'timed-out') {
    void waited.worker.terminate()
    waited = undefined
    throw new Error('the thread that unfolds zstd does not answer')
  }
  const unfolded = receiveMessageOnPort(port)?.message as Uint8Array | undefined
  if (unfolded === undefined || unfolded.length === 0) throw new Error('a zstd frame is damaged')
  return unfolded
}

function startWorker(require: NodeJS.Require): Waited {
  const { MessageChannel, Worker } = require('node:worker_threads') as typeof import('node:worker_threads')
  const { port1, port2 } = new MessageChannel()
  const answered = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(workerCode, {
    eval: true,
    workerData: { decoder: import.meta.resolve('zstddec'), port: port2, answered },
    transferList: [port2],
    execArgv: [],
  })
  worker.unref()
  port1.unref()
  return { worker, port: port1, answered }
}
