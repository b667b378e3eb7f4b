import type { ErrorCode } from '../../protocol/index.ts'
import type { CommitWaiter } from '../../replication/partition.ts'
import { CoordinatorError } from './coordinator-error.ts'
import type { Asker } from './shard.ts'

/** A request, until it is answered or refused. */
export class Ask<Response> implements Asker<Response> {
  readonly answered: (response: Response) => void
  private readonly reject: (error: Error) => void

  constructor(resolve: (response: Response) => void, reject: (error: Error) => void) {
    this.answered = resolve
    this.reject = reject
  }

  refuse(code: ErrorCode): void {
    this.reject(new CoordinatorError(code))
  }
}

/** An answer that waits for what it saw to be committed. */
export interface Held {
  readonly asker: Asker<unknown>
  readonly response: unknown
}

/** Appended, and not committed yet. */
export class InFlight implements CommitWaiter {
  readonly endOffset: number
  readonly sinceMs: number
  answers: Held[]
  readonly onCommitted: (code: ErrorCode) => void

  constructor(endOffset: number, answers: Held[], sinceMs: number, onCommitted: (code: ErrorCode) => void) {
    this.endOffset = endOffset
    this.answers = answers
    this.sinceMs = sinceMs
    this.onCommitted = onCommitted
  }

  get waitedFor(): boolean {
    return this.answers.length > 0
  }

  answer(): void {
    const { answers } = this
    this.answers = []
    for (const { asker, response } of answers) asker.answered(response)
  }

  refuse(code: ErrorCode): void {
    const { answers } = this
    this.answers = []
    refuseAll(answers, code)
  }
}

export function refuseAll(answers: readonly Held[], code: ErrorCode): void {
  for (const { asker } of answers) if (asker instanceof Ask) asker.refuse(code)
}
