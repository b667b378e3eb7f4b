import { LazyHandler, type ServedApi } from '../api/lazy.ts'
import { type ApiHandler, type ClientSoftware, closeConnection, noReply, type RequestContext } from '../api/serve.ts'
import { assert } from '../base/assert.ts'
import { MillraceError } from '../base/error.ts'
import { localArena, type Storage, type Timers } from '../base/world.ts'
import type { Api, FileRegion, RecordsInput, RequestOf, ResponseInput } from '../protocol/index.ts'
import { LocalFrames } from './local-frames.ts'

export interface LocalServices {
  readonly storage: Storage
  readonly timers: Timers
  handler(apiKey: number): ServedApi | undefined
  unexpected(api: string, error: unknown): void
}

export interface CallOptions {
  /** The request's records lie in a frame of the channel, which is given back with this call. */
  readonly framed?: boolean
  /** What had to happen in order has happened: the next request that has to follow may be made. */
  readonly onOrderReleased?: () => void
  readonly signal?: AbortSignal | undefined
}

/** What of a response lies in files; valid while the response is taken. */
export type CopyRecords = (records: RecordsInput) => Uint8Array

/** No connection has this number. */
const noConnection = -1

/**
 * Requests of this very process. Handlers get them decoded, as they would come from a connection, and answer with the
 * fields of a response; nothing is encoded, and no socket is there. Requests do not wait for each other.
 */
export class LocalChannel {
  readonly frames: LocalFrames
  private readonly services: LocalServices
  private readonly open = new Set<LocalExchange>()
  private closed = false

  constructor(services: LocalServices) {
    this.services = services
    this.frames = new LocalFrames(services.storage)
  }

  /**
   * Has a request carried out; begins within this call once its handler is loaded. `take` makes of the response what
   * is to stay of it, since its file regions are given back behind it. Rejects when the channel is closed before.
   */
  call<A extends Api, T>(
    api: A,
    apiVersion: number,
    request: RequestOf<A>,
    take: (response: ResponseInput<A>, copy: CopyRecords) => T,
    options: CallOptions = {},
  ): Promise<T> {
    const served = this.services.handler(api.key)
    assert(served !== undefined && apiVersion >= served.min && apiVersion <= served.max, 'a served API is called', {
      api: api.name,
      apiVersion,
    })
    const handler = served instanceof LazyHandler ? served.loaded : served
    if (handler === undefined)
      return (served as LazyHandler).load().then(() => this.call(api, apiVersion, request, take, options))
    if (this.closed) {
      if (options.framed === true) this.frames.release()
      return Promise.reject(stopped())
    }
    return new Promise((resolve, reject) => {
      const done = (response: unknown) => resolve(take(response as ResponseInput<A>, this.copy))
      this.start(handler, request, new LocalExchange(this, this.services, apiVersion, done, reject, options))
    })
  }

  /** Whoever still waits for an answer is told that the broker stops. */
  close(): void {
    this.closed = true
    for (const exchange of [...this.open]) exchange.abort(stopped())
  }

  /** For exchanges. */
  ended(exchange: LocalExchange): void {
    this.open.delete(exchange)
  }

  private start(handler: ApiHandler, request: unknown, exchange: LocalExchange): void {
    this.open.add(exchange)
    const fail = (error: unknown) => {
      this.services.unexpected(handler.api.name, error)
      exchange.abort(error instanceof Error ? error : new Error(String(error)))
    }
    try {
      const answer = handler.handle(request, exchange)
      if (answer instanceof Promise) answer.then(value => exchange.finish(value), fail)
      else exchange.finish(answer)
    } catch (error) {
      fail(error)
    }
  }

  private readonly copy: CopyRecords = records => {
    if (records instanceof Uint8Array) return records
    return this.copyRegion(records)
  }

  private copyRegion({ region, length }: FileRegion): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length)
    const copied = this.services.storage.readRegion(region, 0, bytes)
    if (copied < length)
      throw new MillraceError('READ_FAILED', 'Records could not be read: their segment was cut or its disk failed.')
    return bytes
  }
}

/** One request of this process on its way to its response. */
class LocalExchange implements RequestContext {
  readonly apiVersion: number
  readonly connection = noConnection
  /** A channel is never replaced by another while its requests are on their way. */
  readonly connectionOrder = 0
  readonly clientId = 'in-process'
  readonly clientHost = '/127.0.0.1'
  readonly clientPort = 0
  readonly arena = localArena
  readonly view: DataView
  clientSoftware: ClientSoftware | undefined
  private readonly channel: LocalChannel
  private readonly services: LocalServices
  private readonly done: (response: unknown) => void
  private readonly failed: (error: unknown) => void
  private readonly options: CallOptions
  private frameHeld: boolean
  private orderHeld = true
  private over = false
  private regions: number[] = []
  private abandoned: (() => void) | undefined

  constructor(
    channel: LocalChannel,
    services: LocalServices,
    apiVersion: number,
    done: (response: unknown) => void,
    failed: (error: unknown) => void,
    options: CallOptions,
  ) {
    this.channel = channel
    this.services = services
    this.apiVersion = apiVersion
    this.view = channel.frames.view
    this.done = done
    this.failed = failed
    this.options = options
    this.frameHeld = options.framed === true
    options.signal?.addEventListener('abort', this.onSignal)
  }

  releaseOrder(): void {
    if (!this.orderHeld) return
    this.orderHeld = false
    this.options.onOrderReleased?.()
  }

  releaseFrame(): void {
    if (!this.frameHeld) return
    this.frameHeld = false
    this.channel.frames.release()
  }

  nextTurn(): Promise<void> {
    return new Promise(resolve => this.services.timers.soon(resolve))
  }

  holdRegion(region: number): void {
    this.regions.push(region)
  }

  dropRegions(): void {
    for (const region of this.regions.splice(0)) this.freeRegion(region)
  }

  freeRegion(region: number): void {
    this.services.storage.releaseRegion(region)
  }

  /** Everything of this process is carried out to its end, unless the broker stops or its caller gives it up. */
  finishAnyway(): void {}

  onAbort(callback: () => void): void {
    this.abandoned = callback
  }

  finish(answer: unknown): void {
    if (this.over) {
      this.dropRegions()
      return
    }
    if (answer === noReply || answer === closeConnection) {
      this.abort(new MillraceError('NO_ANSWER', 'The broker has no answer to this request.'))
      return
    }
    try {
      this.done(answer)
    } catch (error) {
      this.failed(error)
    }
    this.end()
  }

  abort(error: Error): void {
    if (this.over) return
    this.over = true
    // The handler lets go of the frame's bytes before they are given back.
    this.abandoned?.()
    this.failed(error)
    this.end()
  }

  private readonly onSignal = (): void => {
    const { reason } = this.options.signal!
    this.abort(reason instanceof Error ? reason : new Error(String(reason)))
  }

  private end(): void {
    this.over = true
    this.abandoned = undefined
    this.options.signal?.removeEventListener('abort', this.onSignal)
    this.channel.ended(this)
    this.releaseFrame()
    this.dropRegions()
    this.releaseOrder()
  }
}

const stopped = (): MillraceError => new MillraceError('BROKER_STOPPED', 'The broker is stopped.')
