import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type {
  CloseReason,
  LogSettings,
  Network,
  NetworkListener,
  NetworkSettings,
  RefuseReason,
} from '../../../src/base/world.ts'
import { Engine } from '../../../src/native/engine.ts'
import { openNetwork } from '../../../src/native/network.ts'
import { openStorage } from '../../../src/native/storage.ts'
import { buildBatch } from '../../../src/records/record-batch.ts'

export const logSettings: LogSettings = {
  segmentBytes: 1 << 30,
  segmentMs: 604_800_000,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10 << 20,
  maxMessageBytes: 1_048_588,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 2 ** 63,
  logAppendTime: false,
  requireKeys: false,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  deletes: true,
  retentionMs: -1,
  retentionBytes: -1,
}

export const networkSettings: NetworkSettings = {
  maxFrameBytes: 16 << 20,
  frameBudgetBytes: 64 << 20,
  connectionInflightBytes: 32 << 20,
  connectionUnsentBytes: 32 << 20,
  maxConnections: 100,
  idleTimeoutMs: 60_000,
  senderThreads: 1,
}

/** For every test that waits for something. */
export const bounded = { timeout: 60_000 }

/** A directory of its own, removed with the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-native-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An engine that is closed with the test. */
export function openEngine(t: TestContext): { engine: Engine; storage: ReturnType<typeof openStorage> } {
  const engine = new Engine()
  t.after(() => engine.close())
  return { engine, storage: openStorage(engine) }
}

const utf8 = new TextEncoder()

export const batchOf = (values: readonly string[], timestampMs = 1_700_000_000_000): Uint8Array =>
  buildBatch({ timestampMs, records: values.map(value => ({ key: null, value: utf8.encode(value) })) })

/** A batch of exactly one record that makes it `bytes` long, give or take a few. */
export const batchOfBytes = (bytes: number, fill = 'x'): Uint8Array => batchOf([fill.repeat(bytes - 75)])

/** Descriptors of this process whose target begins with `prefix`. */
export function openDescriptors(prefix: string): number {
  let count = 0
  for (const descriptor of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(prefix)) count++
    } catch {
      // The descriptor that listed the directory is gone by now.
    }
  }
  return count
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects garbage and lets finalizers run, until `done` says so; fails after twenty seconds. */
export async function collectUntil(done: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!done()) {
    assert.ok(performance.now() < deadlineMs, what)
    collect()
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Fulfilled in the first delivery after which `reached` holds. */
export class Signal {
  #waiting: { reached: () => boolean; resolve: () => void }[] = []

  /** Fails after ten seconds: nothing here takes one. */
  until(reached: () => boolean): Promise<void> {
    if (reached()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error(`never came true: ${reached}`)), 10_000)
      this.#waiting.push({
        reached,
        resolve: () => {
          clearTimeout(deadline)
          resolve()
        },
      })
    })
  }

  check(): void {
    const due = this.#waiting.filter(waiter => waiter.reached())
    this.#waiting = this.#waiting.filter(waiter => !due.includes(waiter))
    for (const { resolve } of due) resolve()
  }
}

export interface SeenFrame {
  connection: number
  arena: number
  position: number
  length: number
}

/** A listener that remembers; `onFrame` and `onTurnEnd` can be replaced. */
export class Recorder implements NetworkListener {
  readonly opened: number[] = []
  readonly frames: SeenFrame[] = []
  readonly closed: { connection: number; reason: CloseReason }[] = []
  readonly gone: number[] = []
  readonly congestion: { connection: number; congested: boolean }[] = []
  readonly refused: { reason: RefuseReason; count: number; peer: string }[] = []
  turns = 0
  readonly signal = new Signal()
  frame: (frame: SeenFrame) => void = () => {}
  turnEnd: () => void = () => {}

  onOpen(connection: number): void {
    this.opened.push(connection)
  }
  onFrame(connection: number, arena: number, position: number, length: number): void {
    const frame = { connection, arena, position, length }
    this.frames.push(frame)
    this.frame(frame)
  }
  onClose(connection: number, reason: CloseReason): void {
    this.closed.push({ connection, reason })
  }
  onGone(connection: number): void {
    this.gone.push(connection)
  }
  onCongestion(connection: number, congested: boolean): void {
    this.congestion.push({ connection, congested })
  }
  onRefused(reason: RefuseReason, count: number, peer: string): void {
    this.refused.push({ reason, count, peer })
  }
  onTurnEnd(): void {
    this.turns++
    this.turnEnd()
    this.signal.check()
  }
}

/** A frame as it stands on the wire. The transport refuses those too short for a request's header: under 8 bytes. */
export function frameOf(payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload as string)
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeInt32BE(bytes.length)
  frame.set(bytes, 4)
  return frame
}

/** A network on a free port, with its recorder. */
export function startNetwork(
  t: TestContext,
  engine: Engine,
  settings: Partial<NetworkSettings> = {},
): { network: Network; recorder: Recorder; port: number } {
  const network = openNetwork(engine)
  const recorder = new Recorder()
  network.start({ ...networkSettings, ...settings }, recorder)
  t.after(() => network.stop())
  return { network, recorder, port: network.listen('127.0.0.1', 0).port }
}

/** The other end: writes frames, reads what comes back. */
export class Client {
  readonly socket: Socket
  #chunks: Buffer[] = []
  #received = 0
  readonly #signal = new Signal()

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {}) // What matters is that it closed.
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#received += chunk.length
      this.#signal.check()
    })
    socket.on('close', () => this.#signal.check())
  }

  static async connect(t: TestContext, port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    const client = new Client(socket)
    await once(socket, 'connect')
    return client
  }

  send(payload: string | Uint8Array): void {
    this.socket.write(frameOf(payload))
  }

  /** The next `length` bytes. */
  async read(length: number): Promise<Buffer> {
    await this.#signal.until(() => this.#received >= length || this.socket.closed)
    const all = Buffer.concat(this.#chunks)
    assert.ok(all.length >= length, `the connection closed after ${all.length} of ${length} bytes`)
    this.#chunks = [all.subarray(length)]
    this.#received -= length
    return all.subarray(0, length)
  }
}
