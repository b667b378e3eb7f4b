import { type Api, encodeResponseInSlices, Writer } from '../protocol/index.ts'
import type { TurnTaker } from './turn-queue.ts'

/** Array elements that are encoded at once, in about half a millisecond. */
const sliceElements = 2048
/** Most answers that could be wide are not. */
const initialBytes = 1024

/** The body of a response, encoded before its turn to be sent came. */
export class EncodedBody {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/**
 * A response that may be of any length, on its way through its encoder: one slice at once, each further one in a turn of
 * its own. Calls `done` or `failed`, once.
 */
export class WideAnswer implements TurnTaker {
  queued = false
  private readonly writer = new Writer(initialBytes)
  private readonly steps: Generator<undefined, void, undefined>
  private readonly enqueue: (taker: TurnTaker) => void
  private readonly done: (body: EncodedBody) => void
  private readonly failed: (error: unknown) => void

  constructor(
    api: Api,
    version: number,
    response: unknown,
    enqueue: (taker: TurnTaker) => void,
    done: (body: EncodedBody) => void,
    failed: (error: unknown) => void,
  ) {
    this.steps = encodeResponseInSlices(api, version, this.writer, response as never, sliceElements)
    this.enqueue = enqueue
    this.done = done
    this.failed = failed
  }

  takeTurn(): void {
    let over: boolean
    try {
      over = this.steps.next().done === true
    } catch (error) {
      this.failed(error)
      return
    }
    if (over) this.done(new EncodedBody(this.writer.written()))
    else this.enqueue(this)
  }
}
