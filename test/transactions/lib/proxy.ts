import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { addPartitionsToTxn } from '../../../src/protocol/schema/add-partitions-to-txn.ts'
import { endTxn } from '../../../src/protocol/schema/end-txn.ts'
import { initProducerId } from '../../../src/protocol/schema/init-producer-id.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { txnOffsetCommit } from '../../../src/protocol/schema/txn-offset-commit.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { frames } from './real-wire.ts'

/** How often a request meets which fault. */
export interface Faults {
  /** The connection is cut, and the request never arrives. */
  readonly lost: number
  /** The client's side of the connection is cut, and the request arrives much later all the same. */
  readonly late: number
  /** The request is carried out, and its answer never arrives. */
  readonly unanswered: number
  /** Request or answer take their time; what follows on the connection waits. */
  readonly slow: number
  readonly lateMs: number
  readonly slowMs: number
}

export const noFaults: Faults = { lost: 0, late: 0, unanswered: 0, slow: 0, lateMs: 0, slowMs: 0 }

/** So long after a request has come late, its connection is closed. */
const goneMs = 1_000

/** What carries a transaction along meets faults this much more often than what else is asked. */
const emphasis = 4
const emphasized = new Set([produce, endTxn, addPartitionsToTxn, initProducerId, txnOffsetCommit].map(({ key }) => key))

/** Stands between clients and a broker, knows where each request and answer ends, and gets in their way. */
export class FaultyProxy {
  faults: Faults
  readonly counts = { requests: 0, lost: 0, late: 0, unanswered: 0, slow: 0 }
  private readonly server: Server
  private readonly target: { readonly host: string; readonly port: number }
  private readonly random: SeededRandom
  private readonly sockets = new Set<Socket>()
  private readonly timers = new Set<NodeJS.Timeout>()

  private constructor(target: { host: string; port: number }, random: SeededRandom, faults: Faults) {
    this.target = target
    this.random = random
    this.faults = faults
    this.server = createServer({ noDelay: true }, client => this.serve(client))
  }

  static async open(
    target: { host: string; port: number },
    random: SeededRandom,
    faults: Faults,
  ): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target, random, faults)
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    return proxy
  }

  get address(): { host: string; port: number } {
    const { address, port } = this.server.address() as AddressInfo
    return { host: address, port }
  }

  close(): void {
    this.server.close()
    for (const timer of this.timers) clearTimeout(timer)
    for (const socket of this.sockets) socket.destroy()
  }

  private serve(client: Socket): void {
    const upstream = this.track(connect({ ...this.target, noDelay: true }))
    this.track(client)
    let late = false
    client.on('close', () => late || upstream.destroy())
    upstream.on('close', () => client.destroy())
    /** Correlation ids of requests whose answers are not to arrive. */
    const unanswered = new Set<number>()
    const requests = new Lane(this, frame => upstream.write(frame))
    const answers = new Lane(this, frame => client.write(frame))
    client.on(
      'data',
      frames(frame => {
        if (late) return
        const fault = this.draw(frame.readInt16BE(0))
        switch (fault) {
          case 'lost':
            client.destroy()
            return
          case 'late':
            late = true
            client.destroy()
            requests.push(framed(frame), this.faults.lateMs * this.random.next())
            this.later(this.faults.lateMs + goneMs, () => upstream.destroy())
            return
          case 'unanswered':
            unanswered.add(frame.readInt32BE(4))
            break
        }
        requests.push(framed(frame), fault === 'slow' ? this.faults.slowMs * this.random.next() : 0)
      }),
    )
    upstream.on(
      'data',
      frames(frame => {
        if (late) return
        if (unanswered.has(frame.readInt32BE(0))) client.destroy()
        else answers.push(framed(frame), this.hit(this.faults.slow / 2) ? this.faults.slowMs * this.random.next() : 0)
      }),
    )
  }

  later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, ms)
    this.timers.add(timer)
  }

  private draw(apiKey: number): keyof FaultyProxy['counts'] | undefined {
    this.counts.requests++
    const weight = emphasized.has(apiKey) ? emphasis : 1
    for (const fault of ['lost', 'late', 'unanswered', 'slow'] as const) {
      if (!this.hit(this.faults[fault] * weight)) continue
      this.counts[fault]++
      return fault
    }
    return undefined
  }

  private hit(chance: number): boolean {
    return this.random.chance(chance)
  }

  private track(socket: Socket): Socket {
    this.sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.sockets.delete(socket))
    return socket
  }
}

/** One direction of a connection: what is held up holds up what comes behind it. */
class Lane {
  private readonly proxy: FaultyProxy
  private readonly send: (frame: Buffer) => void
  private readonly queue: { readonly frame: Buffer; readonly delayMs: number }[] = []
  private busy = false

  constructor(proxy: FaultyProxy, send: (frame: Buffer) => void) {
    this.proxy = proxy
    this.send = send
  }

  push(frame: Buffer, delayMs: number): void {
    this.queue.push({ frame, delayMs })
    if (!this.busy) this.next()
  }

  private next(): void {
    for (let first = this.queue.shift(); first !== undefined; first = this.queue.shift()) {
      const { frame, delayMs } = first
      if (delayMs <= 0) {
        this.send(frame)
        continue
      }
      this.busy = true
      this.proxy.later(delayMs, () => {
        this.busy = false
        this.send(frame)
        this.next()
      })
      return
    }
  }
}

function framed(frame: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(frame.length)
  return Buffer.concat([size, frame])
}
