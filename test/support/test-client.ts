import {
  type Api,
  decodeResponseHeader,
  encodeRequestHeader,
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
import type { FakeWorld } from './fake-world.ts'
import type { Peer } from './memory-network.ts'

/** Real time that a reply may take which waits for a thread of Node's pool (compression) or for its handler's module. */
const maxWaitMs = 10_000

/** A decoded response, with the frame it came in for the records it points to. */
export interface Reply<Body> {
  readonly correlationId: number
  readonly body: Body
  records(view: RecordsView | null): Uint8Array
}

/** A client of the broker under test: speaks the wire format through the world's network. */
export class TestClient implements Peer {
  readonly connection: number
  closed = false
  private readonly world: FakeWorld
  private readonly frames: Uint8Array[] = []
  private readonly sent: { readonly api: Api; readonly version: number; readonly correlationId: number }[] = []
  private nextCorrelation = 1

  static connect(world: FakeWorld, listener = 0): TestClient {
    let client: TestClient | undefined
    world.network.connect(connection => {
      client = new TestClient(world, connection)
      return client
    }, listener)
    return client!
  }

  private constructor(world: FakeWorld, connection: number) {
    this.world = world
    this.connection = connection
  }

  onBytes(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const size = new DataView(bytes.buffer, bytes.byteOffset).getInt32(at)
      this.frames.push(bytes.slice(at + 4, at + 4 + size))
      at += 4 + size
    }
  }

  onClosed(): void {
    this.closed = true
  }

  /** Replies that have come and were not read. */
  get unread(): number {
    return this.frames.length
  }

  /** Sends one request and reads its response. */
  async call<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<ResponseOf<A>> {
    return (await this.exchange(api, version, body)).body
  }

  async exchange<A extends Api>(api: A, version: number, body: RequestInput<A>): Promise<Reply<ResponseOf<A>>> {
    this.send(api, version, body)
    return await this.receive<A>()
  }

  send<A extends Api>(api: A, version: number, body: RequestInput<A>): void {
    this.deliver([this.encode(api, version, body)])
  }

  /** Sends frames that arrive in one loop turn. */
  deliver(frames: readonly Uint8Array[]): void {
    this.world.network.deliver(frames.map(frame => ({ connection: this.connection, frame })))
  }

  /** A request's frame; its response is expected in order unless it is `silent`. */
  encode<A extends Api>(api: A, version: number, body: RequestInput<A>, { silent = false } = {}): Uint8Array {
    const correlationId = this.nextCorrelation++
    const frame = requestFrame(api, version, correlationId, body)
    if (!silent) this.sent.push({ api, version, correlationId })
    return frame
  }

  /** Expects a response in the layout of another version than the request's. */
  expect(api: Api, version: number, correlationId: number): void {
    this.sent.push({ api, version, correlationId })
  }

  /** The response to the oldest request that was not answered yet. */
  async receive<A extends Api>(): Promise<Reply<ResponseOf<A>>> {
    const until = performance.now() + maxWaitMs
    while (this.frames.length === 0 && !this.closed && performance.now() < until) await this.world.time.settle()
    const frame = this.frames.shift()
    const request = this.sent.shift()
    if (frame === undefined || request === undefined)
      throw new Error(this.closed ? 'the broker closed the connection' : 'no response came')
    const reader = new Reader(frame)
    const { api, version } = request
    const correlationId = decodeResponseHeader(reader, responseHeaderVersion(api, version))
    if (correlationId !== request.correlationId)
      throw new Error(`response ${correlationId} came where ${request.correlationId} was expected`)
    const body = responseCodec(api, version).decode(reader) as ResponseOf<A>
    reader.expectEnd()
    return {
      correlationId,
      body,
      records: view => (view === null ? new Uint8Array() : frame.slice(view.position, view.position + view.length)),
    }
  }

  hangUp(): void {
    this.world.network.hangUp(this.connection)
  }
}

/** A request's bytes without the size field. */
export function requestFrame<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  body: RequestInput<A>,
): Uint8Array {
  const writer = new Writer()
  const header = { apiKey: api.key, apiVersion: version, correlationId, clientId: 'test' }
  encodeRequestHeader(writer, header, requestHeaderVersion(api, version))
  requestCodec(api, version).encode(writer, body as never)
  return writer.written().slice()
}
