import { MillraceError } from '../base/error.ts'
import { type AppendFailure, appendFailure } from '../log/append-failure.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { Codec } from '../records/batch-header.ts'
import { decompress, decompressNow, maxDecompressedBytes, unfoldedBound } from '../records/compression.ts'

/** Memory that unfolded batches may take together. */
const maxHeldBytes = 2 * maxDecompressedBytes
/** Of the four threads of Node's pool, one is left to the files. */
const maxRunning = 3
/** What is unfolded in less time than it takes to ask another thread. */
const smallBytes = 32 << 10

export type Unfolded = Uint8Array | AppendFailure

/** A batch on its way to its records. */
export interface Unfolding {
  /** Undefined until `done`, which never rejects, and once it was released. */
  readonly result: Unfolded | undefined
  readonly done: Promise<void>
  /** Gives back what it holds, or will hold. Once. */
  release(): void
}

interface Job extends Unfolding {
  result: Unfolded | undefined
  readonly codec: Codec
  readonly bytes: () => Uint8Array
  readonly bound: number
  readonly finish: () => void
  state: 'waiting' | 'running' | 'held' | 'released'
}

/**
 * Unfolds the records of compressed batches for their check, off the decision thread, in the order of the asking: so
 * many at once, and so many bytes, that neither Node's threads nor memory are used up.
 */
export class Unfolder {
  private readonly line: Job[] = []
  private running = 0
  private heldBytes = 0

  /** What is small is unfolded at once; undefined for what is not, or cannot be. */
  unfoldNow(codec: Codec, bytes: Uint8Array): Unfolded | undefined {
    try {
      return unfoldedBound(codec, bytes) <= smallBytes ? decompressNow(codec, bytes) : undefined
    } catch (error) {
      return failureOf(error)
    }
  }

  /** `bytes` is asked for them when they are needed, within this call or in a later turn, unless it was released. */
  unfold(codec: Codec, bytes: () => Uint8Array): Unfolding {
    let finish: () => void = () => {}
    const done = new Promise<void>(resolve => {
      finish = resolve
    })
    let bound = 0
    let result: Unfolded | undefined
    try {
      bound = unfoldedBound(codec, bytes())
    } catch (error) {
      result = failureOf(error)
    }
    const job: Job = { codec, bytes, bound, result, done, finish, state: 'waiting', release: () => this.release(job) }
    if (result !== undefined) {
      job.state = 'released'
      finish()
    } else {
      this.line.push(job)
      this.startNext()
    }
    return job
  }

  private startNext(): void {
    while (this.line.length > 0 && this.running < maxRunning) {
      const job = this.line[0]!
      // One that is alone always fits.
      if (this.heldBytes > 0 && this.heldBytes + job.bound > maxHeldBytes) return
      this.line.shift()
      this.running++
      this.heldBytes += job.bound
      job.state = 'running'
      void this.run(job)
    }
  }

  private async run(job: Job): Promise<void> {
    try {
      // A copy: the frame may be given back, and its memory with it, while another thread still reads.
      job.result = await decompress(job.codec, job.bytes().slice())
    } catch (error) {
      job.result = failureOf(error)
    }
    this.running--
    if (job.state === 'running') job.state = 'held'
    else this.letGo(job)
    job.finish()
    this.startNext()
  }

  private release(job: Job): void {
    const { state } = job
    job.state = 'released'
    if (state === 'waiting') {
      this.line.splice(this.line.indexOf(job), 1)
      job.finish()
    }
    if (state === 'held') this.letGo(job)
    this.startNext()
  }

  private letGo(job: Job): void {
    job.result = undefined
    this.heldBytes -= job.bound
  }
}

/** A batch that its client compressed wrongly would be as wrong when sent again, so it is not called corrupt. */
function failureOf(error: unknown): AppendFailure {
  if (!(error instanceof MillraceError)) throw error
  if (error.code === 'COMPRESSION_TOO_LARGE')
    return appendFailure(ErrorCode.MESSAGE_TOO_LARGE, `${error.message} Send fewer records in a batch.`)
  return appendFailure(ErrorCode.INVALID_RECORD, 'The batch is not what its codec asks for.')
}
