import { assert } from '../base/assert.ts'
import { apiName } from '../protocol/index.ts'
import type { ApiHandler } from './serve.ts'

/** What is known of an API that is served before its handler is loaded: enough to advertise it and to refuse versions. */
export interface LazyVersions {
  readonly key: number
  readonly min: number
  readonly max: number
}

/**
 * A handler whose module, schema table included, is loaded by the first request that needs it. Until then the broker
 * starts without it; the connection of that first request waits, others go on.
 */
export class LazyHandler {
  readonly key: number
  readonly min: number
  readonly max: number
  /** The handler, once it is there. */
  loaded: ApiHandler | undefined
  private readonly importHandler: () => Promise<ApiHandler>
  private loading: Promise<ApiHandler> | undefined

  constructor({ key, min, max }: LazyVersions, importHandler: () => Promise<ApiHandler>) {
    this.key = key
    this.min = min
    this.max = max
    this.importHandler = importHandler
  }

  /** One load, however many requests wait for it. */
  load(): Promise<ApiHandler> {
    this.loading ??= this.importHandler().then(handler => {
      const { api, min, max, advertisedMin } = handler
      assert(
        api.key === this.key && min === this.min && advertisedMin === this.min && max === this.max,
        'a handler serves what was advertised before it was loaded',
        { api: apiName(this.key), min, max, advertised: [this.min, this.max] },
      )
      this.loaded = handler
      return handler
    })
    return this.loading
  }
}

/** An API that is served: by a handler that is there, or by one that comes when it is asked for. */
export type ServedApi = ApiHandler | LazyHandler

/**
 * Declares an API whose handler is imported on its first request:
 * `lazily({ key: 32, min: 1, max: 4 }, async () => (await import('../api/x.ts')).serveX(parts))`.
 */
export function lazily(versions: LazyVersions, importHandler: () => Promise<ApiHandler>): LazyHandler {
  return new LazyHandler(versions, importHandler)
}

export const servedKey = (served: ServedApi): number => (served instanceof LazyHandler ? served.key : served.api.key)
