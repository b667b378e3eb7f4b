import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  type Api,
  decodeResponseHeader,
  encodeRequestHeader,
  type Fields,
  Reader,
  type RequestInput,
  type ResponseOf,
  requestCodec,
  requestHeaderVersion,
  responseCodec,
  responseHeaderVersion,
  Writer,
} from '../../src/protocol/index.ts'
import type { RecordsView } from '../../src/protocol/records-field.ts'

/** Bounds a hang: the largest requests take seconds, and many times that where others use the processors. */
const answerLimitMs = 50_000

/** A request as it goes onto the wire, its length prefix included. */
export const encodeRequest = <Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
  correlationId: number,
  request: RequestInput<Api<Q, S>>,
): Buffer => {
  const writer = new Writer()
  writer.beginFrame()
  const header = { apiKey: api.key, apiVersion: version, correlationId, clientId: 'raw' }
  encodeRequestHeader(writer, header, requestHeaderVersion(api, version))
  requestCodec(api, version).encode(writer, request)
  writer.endFrame()
  return Buffer.from(writer.written())
}

/** A connection that may say anything, and so shares no code with a client that would not. */
export class RawClient {
  private pending = Buffer.alloc(0)
  private closed = false
  private nextCorrelationId = 1
  private answer: Buffer = Buffer.alloc(0)

  private constructor(readonly socket: Socket) {
    socket.on('close', () => {
      this.closed = true
    })
    // A reset is one way for the broker to close.
    socket.on('error', () => undefined)
  }

  static async open(address: { host: string; port: number }): Promise<RawClient> {
    const socket = connect({ host: address.host, port: address.port, noDelay: true })
    const client = new RawClient(socket)
    await once(socket, 'connect')
    socket.on('data', (chunk: Buffer) => {
      client.pending = Buffer.concat([client.pending, chunk])
      socket.emit('progress')
    })
    socket.on('close', () => socket.emit('progress'))
    return client
  }

  get port(): number | undefined {
    return this.socket.localPort
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** The next frame's body, or undefined once the broker has closed the connection. */
  async frame(): Promise<Buffer | undefined> {
    const deadline = AbortSignal.timeout(answerLimitMs)
    for (;;) {
      if (this.pending.length >= 4) {
        const end = 4 + this.pending.readInt32BE(0)
        if (this.pending.length >= end) {
          const body = this.pending.subarray(4, end)
          this.pending = this.pending.subarray(end)
          return body
        }
      }
      if (this.closed) return undefined
      await once(this.socket, 'progress', { signal: deadline })
    }
  }

  /** Resolves once the broker has closed the connection, with the bytes that it sent before. */
  async untilClosed(): Promise<Buffer> {
    const deadline = AbortSignal.timeout(answerLimitMs)
    while (!this.closed) await once(this.socket, 'progress', { signal: deadline })
    return this.pending
  }

  /** Sends a request and decodes its answer; throws if the broker closes the connection instead. */
  async request<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    request: RequestInput<Api<Q, S>>,
  ): Promise<ResponseOf<Api<Q, S>>> {
    const correlationId = this.nextCorrelationId++
    this.write(encodeRequest(api, version, correlationId, request))
    const body = await this.frame()
    if (body === undefined) throw new Error(`the broker closed the connection on ${api.name} v${version}`)
    const reader = new Reader(body)
    const answered = decodeResponseHeader(reader, responseHeaderVersion(api, version))
    if (answered !== correlationId) throw new Error(`answer ${answered} to request ${correlationId}`)
    const response = responseCodec(api, version).decode(reader)
    reader.expectEnd()
    this.answer = body
    return response as ResponseOf<Api<Q, S>>
  }

  /** A copy of the records that the last answer tells of. */
  bytesOf({ position, length }: RecordsView): Uint8Array {
    return new Uint8Array(this.answer.subarray(position, position + length))
  }

  destroy(): void {
    this.socket.destroy()
  }
}
