import { type Api, decodeRequestInSlices, Reader } from '../protocol/index.ts'
import type { TurnTaker } from './turn-queue.ts'

/**
 * What a request may hold so that it is decoded at once, in about half a millisecond. Others are wide: they are decoded
 * in slices of this size, one request at a time, a slice a turn.
 */
export const sliceElements = 4096
export const sliceTextBytes = 256 << 10

/** Array elements of one request: 60 times the partitions that Kafka advises for a broker. */
export const maxRequestElements = 250_000
/**
 * Elements of all wide requests that are being handled. An element takes the heap 30 to 100 bytes, where it took the
 * wire as few as two.
 */
const maxHeldElements = 1_000_000
/** Text counts too: so many bytes of the frame weigh as much as one element. */
const textBytesPerElement = 64

/** A wide request that is being decoded, then handled. */
export interface WideRequest {
  /** What it holds is given back. Once, whatever has become of it. */
  end(): void
}

export interface WideFrame {
  readonly bytes: Uint8Array
  /** Where the request begins, behind its header. */
  readonly position: number
  readonly end: number
}

interface Task extends WideRequest {
  readonly steps: Generator<undefined, unknown, undefined>
  readonly reader: Reader
  readonly frameBytes: number
  readonly done: (request: unknown) => void
  readonly failed: (error: unknown) => void
  weight: number
  state: 'waiting' | 'decoded' | 'ended'
}

/** The line of wide requests. Bounds the time a turn spends on decoding them, and the heap they take together. */
export class WideRequests implements TurnTaker {
  queued = false
  private readonly line: Task[] = []
  private readonly enqueue: (taker: TurnTaker) => void
  private held = 0

  constructor(enqueue: (taker: TurnTaker) => void) {
    this.enqueue = enqueue
  }

  get heldElements(): number {
    return this.held
  }

  /**
   * Decodes a request in later turns, then calls `done` with it, or `failed` with what was wrong. The frame must stay
   * until then, or until `end`; neither is called after `end`.
   */
  decode(
    api: Api,
    version: number,
    frame: WideFrame,
    done: (request: unknown) => void,
    failed: (error: unknown) => void,
  ): WideRequest {
    const reader = new Reader(frame.bytes, frame.position, frame.end)
    reader.maxElements = maxRequestElements
    reader.sliceElements = sliceElements
    reader.textLeft = reader.maxTextBytes = sliceTextBytes
    const task: Task = {
      steps: decodeRequestInSlices(api, version, reader),
      reader,
      frameBytes: frame.end - frame.position,
      done,
      failed,
      weight: 0,
      state: 'waiting',
      end: () => this.end(task),
    }
    this.line.push(task)
    this.enqueue(this)
    return task
  }

  takeTurn(): void {
    const task = this.line[0]
    if (task === undefined || !this.reserve(task)) return
    this.step(task)
    if (this.line.length > 0) this.enqueue(this)
  }

  /** Takes the most that a request can weigh, before its first slice. One that is alone always fits. */
  private reserve(task: Task): boolean {
    if (task.weight > 0) return true
    const weight = this.weigh(task, Math.min(task.frameBytes, maxRequestElements))
    if (this.held > 0 && this.held + weight > maxHeldElements) return false
    task.weight = weight
    this.held += weight
    return true
  }

  private step(task: Task): void {
    let request: unknown
    try {
      const { done, value } = task.steps.next()
      if (done !== true) return
      request = value
    } catch (error) {
      this.end(task)
      task.failed(error)
      return
    }
    this.line.shift()
    task.state = 'decoded'
    const weight = this.weigh(task, task.reader.elements)
    this.held -= task.weight - weight
    task.weight = weight
    task.done(request)
  }

  private weigh(task: Task, elements: number): number {
    return elements + Math.ceil(task.frameBytes / textBytesPerElement)
  }

  private end(task: Task): void {
    if (task.state === 'ended') return
    if (task.state === 'waiting') this.line.splice(this.line.indexOf(task), 1)
    task.state = 'ended'
    this.held -= task.weight
    if (this.line.length > 0) this.enqueue(this)
  }
}
