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

/** The answers of some turns: they go out when what these wrote is committed. */
export class HeldAnswers {
  readonly sinceMs: number
  private held: Held[] = []

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs
  }

  get waitedFor(): boolean {
    return this.held.some(isAsked)
  }

  add(answers: readonly Held[]): void {
    for (const held of answers) this.held.push(held)
  }

  /** Takes out what one asker would be answered. */
  drop(asker: Asker<unknown>): void {
    this.held = this.held.filter(each => each.asker !== asker)
  }

  /** They wait with `others` from now on. */
  moveTo(others: HeldAnswers): void {
    others.add(this.held)
    this.held = []
  }

  give(): void {
    const { held } = this
    this.held = []
    for (const { asker, response } of held) asker.answered(response)
  }

  refuse(code: ErrorCode): void {
    const { held } = this
    this.held = []
    refuseAll(held, code)
  }

  /** Refuses who asked. What the shard itself wants to be told of a commit goes on waiting for it, since it may come yet. */
  refuseAsked(code: ErrorCode): void {
    const { held } = this
    this.held = held.filter(each => !isAsked(each))
    refuseAll(held, code)
  }
}

const isAsked = ({ asker }: Held): boolean => asker instanceof Ask

/** Appended, and not committed yet. */
export class InFlight implements CommitWaiter {
  readonly endOffset: number
  readonly answers: HeldAnswers
  readonly onCommitted: (code: ErrorCode) => void

  constructor(endOffset: number, answers: HeldAnswers, landed: (flight: InFlight, code: ErrorCode) => void) {
    this.endOffset = endOffset
    this.answers = answers
    this.onCommitted = code => landed(this, code)
  }
}

export function refuseAll(answers: readonly Held[], code: ErrorCode): void {
  for (const { asker } of answers) if (asker instanceof Ask) asker.refuse(code)
}
