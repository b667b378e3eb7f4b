import { unsupportedApiVersions } from '../api/api-versions.ts'
import { LazyHandler, type ServedApi } from '../api/lazy.ts'
import { type ApiHandler, type ClientSoftware, closeConnection, noReply } from '../api/serve.ts'
import {
  apiName,
  decodeRequestHeader,
  encodeResponseHeader,
  ProtocolError,
  peekRequest,
  type Reader,
  type RequestHeader,
  requestCodec,
  requestHeaderVersion,
  responseCodec,
  responseHeaderVersion,
} from '../protocol/index.ts'
import { apiVersions } from '../protocol/schema/api-versions.ts'
import { produce } from '../protocol/schema/produce.ts'
import { hasFewElements } from './answer-size.ts'
import { type ClientAddress, Exchange, type ExchangeOwner } from './exchange.ts'
import type { Patient } from './patience.ts'
import type { TurnTaker } from './turn-queue.ts'
import { EncodedBody, WideAnswer } from './wide-answer.ts'
import type { WideRequests } from './wide-requests.ts'

/** What a connection needs of the server. */
export interface ConnectionServices {
  /** Gets a connection its next turn to start a request. */
  enqueue(taker: TurnTaker): void
  /** Stops and resumes the reading of a connection's socket. */
  pause(connection: number): void
  resume(connection: number): void
  readonly wideRequests: WideRequests
  /** Told of each request. */
  noteRequest(connection: Patient, apiKey: number): void
  handler(apiKey: number): ServedApi | undefined
  /** As Network.peerAddress tells it: `127.0.0.1:5000`, `[::1]:5000`. */
  peerAddress(connection: number): string
  /** Places a reader at a frame; it is used up before the next call. It refuses wide requests. */
  readFrame(arena: number, position: number, length: number): Reader
  arenaBytes(arena: number): Uint8Array
  arenaView(arena: number): DataView
  freeFrame(arena: number, position: number): void
  freeRegion(region: number): void
  /** Queues the response whose bytes `encode` appends to the writer it is given. */
  send(connection: number, encode: (writer: ResponseWriter) => void): void
  /** Ends the connection; `reason` is for the operator. Responses already queued are sent first when `afterReplies`. */
  close(connection: number, reason: string, afterReplies: boolean): void
  unexpected(connection: number, api: string, error: unknown): void
}

export type ResponseWriter = Parameters<typeof encodeResponseHeader>[0]

interface Frame {
  readonly arena: number
  readonly position: number
  readonly length: number
}

/** Requests of one connection that may be on their way at once; further ones wait in their frames. */
const maxExchanges = 1_000
/** Frames that wait for their turn: at the first number the socket is not read any more, at the second it is again. */
const pauseAtFrames = 64
const resumeAtFrames = 16

/**
 * One client's connection. Requests start in the order they came, one a turn of the connection, each when the one before
 * has released the order (at once where a handler says so, else with its answer); responses go out in the order of the
 * requests. While the client leaves its responses unread, nothing new starts.
 */
export class Connection implements ExchangeOwner, TurnTaker, Patient {
  readonly id: number
  /** See RequestContext.connectionOrder. */
  readonly order: number
  /** Which listener it came to. */
  readonly listener: number
  queued = false
  patient = false
  secondMs = Number.NEGATIVE_INFINITY
  unhurried = 0
  clientSoftware: ClientSoftware | undefined
  private readonly services: ConnectionServices
  /** Frames that wait for their turn. */
  private inbox: Frame[] = []
  /** Started and not yet answered to the client, oldest first. */
  private exchanges: Exchange[] = []
  private busy = false
  private paused = false
  private congested = false
  private closed = false
  /** The client is gone; what it wrote before is still taken, and nothing is sent. */
  private gone = false
  /** The socket is closed, too: no frame follows. Called when what was written is taken. */
  private over: (() => void) | undefined
  /** Why the connection ends once what came before is answered; nothing more starts then. */
  private lastReason: string | undefined
  private address: ClientAddress | undefined

  constructor(id: number, order: number, listener: number, services: ConnectionServices) {
    this.id = id
    this.order = order
    this.listener = listener
    this.services = services
  }

  onFrame(arena: number, position: number, length: number): void {
    const frame = { arena, position, length }
    if (this.closed || (this.gone && !this.outlivesClient(frame))) {
      this.services.freeFrame(arena, position)
      return
    }
    this.inbox.push(frame)
    if (this.inbox.length >= pauseAtFrames && !this.paused) {
      this.paused = true
      this.services.pause(this.id)
    }
    this.wake()
  }

  /** The client does not read its responses (`true`), or has taken them all. */
  onCongestion(congested: boolean): void {
    this.congested = congested
    this.wake()
  }

  /** The socket is gone, or will be: nothing more is sent, everything held is given back. */
  onClose(): void {
    this.closed = true
    for (const { arena, position } of this.inbox) this.services.freeFrame(arena, position)
    this.inbox = []
    const open = this.exchanges
    this.exchanges = []
    for (const exchange of open) exchange.abandon()
    this.over?.()
  }

  /** The socket is closed; `over` is called when what the client wrote before is taken. */
  onSocketClosed(over: () => void): void {
    if (this.closed) {
      over()
      return
    }
    this.over = over
    this.onClientGone()
    this.endIfOver()
  }

  /**
   * The client takes no answers any more. What it asked is dropped but for its writes: without acks, closing is all that a
   * producer does behind them (Kafka processes what it received before a close, too).
   */
  onClientGone(): void {
    if (this.closed || this.gone) return
    this.gone = true
    this.congested = false
    const open = this.exchanges
    this.exchanges = open.filter(({ finishes, state }) => finishes && state === 'running')
    for (const exchange of open) if (!this.exchanges.includes(exchange)) exchange.abandon()
    this.busy = this.exchanges.some(({ inOrder }) => inOrder)
    const inbox = this.inbox
    this.inbox = []
    for (const frame of inbox) {
      if (this.outlivesClient(frame)) this.inbox.push(frame)
      else this.services.freeFrame(frame.arena, frame.position)
    }
    this.resumeIfRoom()
    this.wake()
  }

  private outlivesClient(frame: Frame): boolean {
    return this.lastReason === undefined && this.isWrite(frame)
  }

  private isWrite({ arena, position, length }: Frame): boolean {
    try {
      return peekRequest(this.services.readFrame(arena, position, length)).apiKey === produce.key
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return false
    }
  }

  private endIfOver(): void {
    if (this.over !== undefined && !this.closed && this.exchanges.length === 0 && this.inbox.length === 0)
      this.onClose()
  }

  orderReleased(): void {
    this.busy = false
    this.wake()
  }

  clientAddress(): ClientAddress {
    // Known for as long as the connection lives; a connection that only produces never asks.
    if (this.address === undefined) {
      const [, host = '', port = '0'] = /^(.*?)(?::(\d+))?$/.exec(this.services.peerAddress(this.id)) ?? []
      this.address = { host: `/${host.replace(/^\[(.*)\]$/, '$1')}`, port: Number(port) }
    }
    return this.address
  }

  nextTurn(): Promise<void> {
    return new Promise(resolve => this.services.enqueue({ queued: false, takeTurn: resolve }))
  }

  freeFrame(arena: number, position: number): void {
    this.services.freeFrame(arena, position)
  }

  freeRegion(region: number): void {
    this.services.freeRegion(region)
  }

  /** Starts the next request, if it may start still. */
  takeTurn(): void {
    if (!this.startable) return
    const frame = this.inbox.shift()!
    this.resumeIfRoom()
    try {
      this.start(frame)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.services.freeFrame(frame.arena, frame.position)
      this.endAfterAnswers(malformed(error))
    } finally {
      this.sendReady()
      this.wake()
    }
  }

  private resumeIfRoom(): void {
    if (!this.paused || this.inbox.length > resumeAtFrames) return
    this.paused = false
    if (this.over === undefined) this.services.resume(this.id)
  }

  private get startable(): boolean {
    const open = !this.closed && this.lastReason === undefined
    return open && this.inbox.length > 0 && !this.busy && !this.congested && this.exchanges.length < maxExchanges
  }

  private wake(): void {
    if (this.startable) this.services.enqueue(this)
  }

  /** Throws ProtocolError, with the frame still held, when the bytes are not a request that is served. */
  private start(frame: Frame): void {
    const reader = this.services.readFrame(frame.arena, frame.position, frame.length)
    const { apiKey, apiVersion, correlationId } = peekRequest(reader)
    this.services.noteRequest(this, apiKey)
    const served = this.services.handler(apiKey)
    if (served === undefined || apiVersion < served.min || apiVersion > served.max) {
      this.refuse(frame, served, apiKey, apiVersion, correlationId)
      return
    }
    const handler = served instanceof LazyHandler ? served.loaded : served
    if (handler === undefined) {
      this.startLater(frame, served as LazyHandler)
      return
    }
    const header = decodeRequestHeader(reader, requestHeaderVersion(handler.api, apiVersion))
    const bodyPosition = reader.position
    let request: unknown
    try {
      request = requestCodec(handler.api, apiVersion).decode(reader)
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.reason !== 'decode-limit') throw error
      this.startWide(this.begin(frame, handler, header), frame, bodyPosition)
      return
    }
    // Bytes behind the request are ignored, as Kafka does: librdkafka sends three when it asks for all topics.
    this.run(this.begin(frame, handler, header), request)
  }

  private begin(frame: Frame, handler: ApiHandler, header: RequestHeader): Exchange {
    const view = this.services.arenaView(frame.arena)
    const exchange = new Exchange(this, handler, header, { arena: frame.arena, position: frame.position, view })
    this.exchanges.push(exchange)
    this.busy = true
    return exchange
  }

  /** It has its place in the connection's order; its handler sees it once it is decoded, some turns from now. */
  private startWide(exchange: Exchange, { arena, position, length }: Frame, bodyPosition: number): void {
    const frame = { bytes: this.services.arenaBytes(arena), position: bodyPosition, end: position + length }
    exchange.wide = this.services.wideRequests.decode(
      exchange.handler.api,
      exchange.apiVersion,
      frame,
      request => this.run(exchange, request),
      error => {
        if (!(error instanceof ProtocolError)) throw error
        this.endAt(exchange, malformed(error))
      },
    )
  }

  /** The frame keeps its place, and those behind it theirs, until its handler is loaded. */
  private startLater(frame: Frame, handler: LazyHandler): void {
    this.inbox.unshift(frame)
    this.busy = true
    handler.load().then(
      () => {
        if (this.inbox[0] === frame) this.orderReleased()
      },
      (error: unknown) => {
        this.services.unexpected(this.id, apiName(handler.key), error)
        this.end(`the handler of ${apiName(handler.key)} could not be loaded`)
      },
    )
  }

  private run(exchange: Exchange, request: unknown): void {
    const fail = (error: unknown) => {
      this.services.unexpected(this.id, exchange.handler.api.name, error)
      this.end(`the broker failed on ${exchange.handler.api.name}`)
    }
    try {
      const answer = exchange.handler.handle(request, exchange)
      if (answer instanceof Promise) answer.then(value => this.finish(exchange, value), fail)
      else this.finish(exchange, answer)
    } catch (error) {
      fail(error)
    }
  }

  private finish(exchange: Exchange, answer: unknown): void {
    if (!this.exchanges.includes(exchange)) {
      exchange.abandon()
      return
    }
    if (answer === closeConnection) {
      const { name } = exchange.handler.api
      this.endAt(
        exchange,
        `a ${name} request gets no response: it failed (acks=0), or was held up on its way and is void`,
      )
      return
    }
    if (answer === noReply) exchange.silenced()
    else if (exchange.handler.wide && !hasFewElements(answer)) this.encodeWide(exchange, answer)
    else exchange.answered(answer)
    this.sendReady()
  }

  /** The request is answered once its response is encoded: at once, when that takes no longer than other work may wait. */
  private encodeWide(exchange: Exchange, answer: unknown): void {
    const { api } = exchange.handler
    new WideAnswer(
      api,
      exchange.apiVersion,
      answer,
      taker => this.services.enqueue(taker),
      body => {
        if (!this.exchanges.includes(exchange)) return
        exchange.answered(body)
        this.sendReady()
      },
      error => this.notEncoded(api.name, error),
    ).takeTurn()
  }

  private notEncoded(api: string, error: unknown): void {
    this.services.unexpected(this.id, api, error)
    this.end(`the response to ${api} could not be encoded`)
  }

  /** Sends the responses that no earlier request holds back. */
  private sendReady(): void {
    while (this.exchanges.length > 0 && this.exchanges[0]!.state !== 'running') {
      const exchange = this.exchanges.shift()!
      if (exchange.state === 'silent') continue
      if (this.gone) {
        exchange.abandon()
        continue
      }
      const { api } = exchange.handler
      const { apiVersion, correlationId } = exchange
      try {
        this.services.send(this.id, writer => {
          encodeResponseHeader(writer, correlationId, responseHeaderVersion(api, apiVersion))
          const { response } = exchange
          if (response instanceof EncodedBody) writer.raw(response.bytes)
          else responseCodec(api, apiVersion).encode(writer, response as never)
        })
        exchange.sent()
      } catch (error) {
        exchange.abandon()
        this.notEncoded(api.name, error)
        return
      }
    }
    if (this.lastReason !== undefined && this.exchanges.length === 0) this.end(this.lastReason)
    this.endIfOver()
    this.wake()
  }

  /** Kafka's rule: an ApiVersions of an unknown version is answered as v0; anything else unknown ends the connection. */
  private refuse(
    frame: Frame,
    handler: ServedApi | undefined,
    apiKey: number,
    apiVersion: number,
    correlationId: number,
  ): void {
    if (handler === undefined || handler instanceof LazyHandler || apiKey !== apiVersions.key) {
      const name = handler === undefined ? `API key ${apiKey}` : apiName(apiKey)
      this.services.freeFrame(frame.arena, frame.position)
      this.endAfterAnswers(`version ${apiVersion} of ${name} is not served`)
      return
    }
    const header = { apiKey, apiVersion: 0, correlationId, clientId: null }
    this.begin(frame, handler, header).answered(unsupportedApiVersions())
  }

  /** A request got what ends its connection: those before it are still answered, those behind it never. */
  private endAt(exchange: Exchange, reason: string): void {
    const at = this.exchanges.indexOf(exchange)
    if (at < 0) return // It is behind another that ended the connection, or the connection is gone.
    const unanswered = this.exchanges.splice(at)
    this.endAfterAnswers(reason)
    for (const each of unanswered) each.abandon()
    this.sendReady()
  }

  /** As a client expects that sends one request behind the other: what came before is answered, nothing more starts. */
  private endAfterAnswers(reason: string): void {
    this.lastReason ??= reason
  }

  private end(reason: string): void {
    if (this.closed) return
    this.onClose()
    if (this.over === undefined) this.services.close(this.id, reason, true)
  }
}

const malformed = (error: ProtocolError): string => `malformed request: ${error.message}`
