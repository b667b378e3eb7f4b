import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Api,
  decodeResponseHeader,
  Reader,
  type RequestInput,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../../src/protocol/index.ts'
import { encodeRequest } from '../../integration/raw-client.ts'
import type { SeededRandom } from '../../support/seeded-random.ts'
import { type Answer, ConnectionLost, type Surroundings, type Wire } from './wire.ts'

/** An answer that takes longer is not waited for: its connection is given up. */
const patienceMs = 6_000

/** Cuts a stream into Kafka's frames, without their size fields. */
export function frames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  return chunk => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
      const end = 4 + pending.readInt32BE(0)
      const frame = pending.subarray(4, end)
      pending = pending.subarray(end)
      onFrame(frame)
    }
  }
}

interface Waiting {
  resolve(frame: Buffer): void
  reject(error: Error): void
}

class SocketWire implements Wire {
  private readonly socket: Socket
  private readonly waiting = new Map<number, Waiting>()
  private nextCorrelationId = 1
  private lost = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on(
      'data',
      frames(frame => {
        const id = frame.readInt32BE(0)
        this.waiting.get(id)?.resolve(frame)
        this.waiting.delete(id)
      }),
    )
    socket.on('error', () => {})
    socket.on('close', () => {
      this.lost = true
      for (const { reject } of this.waiting.values()) reject(new ConnectionLost('the connection was closed'))
      this.waiting.clear()
    })
  }

  async request<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Answer<ResponseOf<A>>> {
    if (this.lost) throw new ConnectionLost('the connection is closed')
    const correlationId = this.nextCorrelationId++
    const answered = new Promise<Buffer>((resolve, reject) => this.waiting.set(correlationId, { resolve, reject }))
    this.socket.write(encodeRequest(api, version, correlationId, body as never))
    const patience = setTimeout(() => this.close(), patienceMs)
    try {
      const frame = await answered
      const reader = new Reader(frame)
      decodeResponseHeader(reader, responseHeaderVersion(api, version))
      const response = responseCodec(api, version).decode(reader) as ResponseOf<A>
      reader.expectEnd()
      return {
        body: response,
        records: view =>
          view === null ? new Uint8Array() : frame.subarray(view.position, view.position + view.length),
      }
    } finally {
      clearTimeout(patience)
    }
  }

  close(): void {
    this.socket.destroy()
  }
}

/** Clients of a broker that listens there, in real time. */
export class RealSurroundings implements Surroundings {
  readonly random: SeededRandom
  private readonly address: { readonly host: string; readonly port: number }

  constructor(random: SeededRandom, address: { readonly host: string; readonly port: number }) {
    this.random = random
    this.address = address
  }

  async connect(): Promise<Wire> {
    const socket = connect({ ...this.address, noDelay: true })
    try {
      await once(socket, 'connect')
    } catch {
      throw new ConnectionLost('nobody listens')
    }
    return new SocketWire(socket)
  }

  pause(ms: number): Promise<void> {
    return sleep(ms)
  }

  nowMs(): number {
    return Date.now()
  }
}
