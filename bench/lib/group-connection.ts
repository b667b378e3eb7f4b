import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  type Api,
  decodeResponseHeader,
  type Fields,
  Reader,
  type RequestInput,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../src/protocol/index.ts'
import { encodeRequest } from '../../test/integration/raw-client.ts'

interface Waiting {
  resolve(body: Buffer): void
  reject(error: Error): void
}

/** A connection of a group's member: any number of requests at a time, thousands of connections in a process. */
export class GroupConnection {
  private readonly socket: Socket
  private readonly waiting: Waiting[] = []
  private unread: Buffer = Buffer.alloc(0)
  private sent = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    const ended = (): void => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error('the broker closed the connection'))
    }
    socket.on('close', ended)
    socket.on('error', ended)
  }

  static async open(address: string): Promise<GroupConnection> {
    const colon = address.lastIndexOf(':')
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), noDelay: true })
    await once(socket, 'connect')
    return new GroupConnection(socket)
  }

  async request<Q extends Fields, S extends Fields>(
    api: Api<Q, S>,
    version: number,
    request: RequestInput<Api<Q, S>>,
  ): Promise<ResponseOf<Api<Q, S>>> {
    const body = await this.exchange(encodeRequest(api, version, ++this.sent, request))
    const reader = new Reader(body)
    decodeResponseHeader(reader, responseHeaderVersion(api, version))
    const response = responseCodec(api, version).decode(reader)
    reader.expectEnd()
    return response as ResponseOf<Api<Q, S>>
  }

  /** Sends a whole frame; resolves with the answer's bytes, header included. */
  exchange(frame: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject })
      this.socket.write(frame)
    })
  }

  close(): void {
    this.socket.destroy()
  }

  private read(chunk: Buffer): void {
    let bytes = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk])
    while (bytes.length >= 4) {
      const end = 4 + bytes.readInt32BE(0)
      if (bytes.length < end) break
      this.waiting.shift()?.resolve(bytes.subarray(4, end))
      bytes = bytes.subarray(end)
    }
    this.unread = bytes
  }
}
