import type { ApiHandler, ClientSoftware, RequestContext } from '../api/serve.ts'
import { assert } from '../base/assert.ts'
import type { WideRequest } from './wide-requests.ts'

export interface ClientAddress {
  /** `/127.0.0.1` */
  readonly host: string
  readonly port: number
}

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly id: number
  readonly order: number
  clientAddress(): ClientAddress
  clientSoftware: ClientSoftware | undefined
  orderReleased(): void
  nextTurn(): Promise<void>
  freeFrame(arena: number, position: number): void
  freeRegion(region: number): void
}

/** One request on its way to its response: what the handler sees of it, and what is given back when it ends. */
export class Exchange implements RequestContext {
  readonly handler: ApiHandler
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly arena: number
  readonly view: DataView
  /** The response's fields, once the handler has answered. */
  response: unknown
  state: 'running' | 'answered' | 'silent' = 'running'
  /** See finishAnyway. */
  finishes = false
  /** What it takes of the budget of wide requests, until it is over. */
  wide: WideRequest | undefined
  private readonly owner: ExchangeOwner
  private readonly framePosition: number
  private frameHeld = true
  private orderHeld = true
  private regions: number[] | undefined
  private abort: (() => void) | undefined

  constructor(
    owner: ExchangeOwner,
    handler: ApiHandler,
    header: { readonly apiVersion: number; readonly correlationId: number; readonly clientId: string | null },
    frame: { readonly arena: number; readonly position: number; readonly view: DataView },
  ) {
    this.owner = owner
    this.handler = handler
    this.apiVersion = header.apiVersion
    this.correlationId = header.correlationId
    this.clientId = header.clientId
    this.arena = frame.arena
    this.framePosition = frame.position
    this.view = frame.view
  }

  /** The next request of its connection waits for it. */
  get inOrder(): boolean {
    return this.orderHeld
  }

  get connection(): number {
    return this.owner.id
  }

  get connectionOrder(): number {
    return this.owner.order
  }

  get clientHost(): string {
    return this.owner.clientAddress().host
  }

  get clientPort(): number {
    return this.owner.clientAddress().port
  }

  get clientSoftware(): ClientSoftware | undefined {
    return this.owner.clientSoftware
  }

  set clientSoftware(software: ClientSoftware | undefined) {
    this.owner.clientSoftware = software
  }

  releaseOrder(): void {
    if (!this.orderHeld) return
    this.orderHeld = false
    this.owner.orderReleased()
  }

  releaseFrame(): void {
    if (!this.frameHeld) return
    this.frameHeld = false
    this.owner.freeFrame(this.arena, this.framePosition)
  }

  nextTurn(): Promise<void> {
    return this.owner.nextTurn()
  }

  holdRegion(region: number): void {
    if (this.regions === undefined) this.regions = []
    this.regions.push(region)
  }

  dropRegions(): void {
    const regions = this.regions
    this.regions = undefined
    if (regions !== undefined) for (const region of regions) this.owner.freeRegion(region)
  }

  freeRegion(region: number): void {
    this.owner.freeRegion(region)
  }

  finishAnyway(): void {
    this.finishes = true
  }

  onAbort(callback: () => void): void {
    this.abort = callback
  }

  /** The handler is done: what it held of the request goes back; regions stay for the response. */
  answered(response: unknown): void {
    assert(this.state === 'running', 'a request is answered once', { api: this.handler.api.name })
    this.response = response
    this.state = 'answered'
    this.settle()
  }

  /** The handler is done and there is nothing to send. */
  silenced(): void {
    assert(this.state === 'running', 'a request is answered once', { api: this.handler.api.name })
    this.state = 'silent'
    this.settle()
    this.wide?.end()
  }

  /** The response was handed to the network, which owns its regions now. */
  sent(): void {
    this.regions = undefined
    this.wide?.end()
  }

  /** The connection is gone. */
  abandon(): void {
    const abort = this.abort
    this.abort = undefined
    abort?.()
    // Requests behind it may go on without it; their order is no longer its to release.
    this.orderHeld = false
    this.wide?.end()
    this.releaseFrame()
    this.dropRegions()
  }

  private settle(): void {
    this.abort = undefined
    this.releaseFrame()
    this.releaseOrder()
  }
}
