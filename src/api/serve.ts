import type { Api, RequestOf, ResponseInput } from '../protocol/index.ts'

/** The request gets no response (acks=0), or its connection is closed without one. */
export const noReply: unique symbol = Symbol('no reply')
export const closeConnection: unique symbol = Symbol('close connection')
export type Answer<Response> = Response | typeof noReply | typeof closeConnection

export interface ClientSoftware {
  readonly name: string
  readonly version: string
}

/** What a handler knows of the request besides its fields. Valid until the answer is given. */
export interface RequestContext {
  readonly apiVersion: number
  readonly connection: number
  /** Connections count up as they are opened: a later one has a larger number, whatever its id. */
  readonly connectionOrder: number
  readonly clientId: string | null
  /** The address that it came from, as Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string
  readonly clientPort: number
  /** What the client has said that it is, on this connection; undefined when it has not (ApiVersions before v3). */
  clientSoftware: ClientSoftware | undefined
  /** The frame the request came in: where `records` fields point to. */
  readonly arena: number
  readonly view: DataView
  /** Everything that must happen in order has happened: the connection may start its next request. */
  releaseOrder(): void
  /** Fulfilled in a later turn: a handler with thousands of things to do awaits it now and then, so that others get theirs. */
  nextTurn(): Promise<void>
  /** The frame's bytes are not needed any more; without this they are kept until the answer. */
  releaseFrame(): void
  /** A region that the answer will carry: given back if the answer is never sent. */
  holdRegion(region: number): void
  dropRegions(): void
  /** Gives back a region that was not held. */
  freeRegion(region: number): void
  /** The request is carried out to its end even if its client goes; `onAbort` then tells that the broker ended the connection. */
  finishAnyway(): void
  /** Called once if the connection goes before the answer was given. */
  onAbort(callback: () => void): void
}

/** One served API, as dispatch sees it. */
export interface ApiHandler {
  readonly api: Api
  /** Versions that are served. */
  readonly min: number
  readonly max: number
  /** The lowest version that is advertised, where it differs from what is served. */
  readonly advertisedMin: number
  /** Its answers may have very many elements: they are encoded in slices, so that other work gets its turn. */
  readonly wide: boolean
  handle(request: unknown, context: RequestContext): Answer<unknown> | Promise<Answer<unknown>>
}

/** Declares the handler of an API: `handle` gets the decoded request and answers with the response's fields. */
export function serve<A extends Api>(
  api: A,
  versions: { readonly min: number; readonly max: number; readonly advertisedMin?: number; readonly wide?: boolean },
  handle: (
    request: RequestOf<A>,
    context: RequestContext,
  ) => Answer<ResponseInput<A>> | Promise<Answer<ResponseInput<A>>>,
): ApiHandler {
  return {
    api,
    min: versions.min,
    max: versions.max,
    advertisedMin: versions.advertisedMin ?? versions.min,
    wide: versions.wide ?? false,
    handle: (request, context) => handle(request as RequestOf<A>, context),
  }
}
