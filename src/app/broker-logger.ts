import type { Logger } from '../base/logger.ts'

type Level = 'info' | 'warn' | 'error'
interface Line {
  readonly level: Level
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** Lines that may wait for the library to load; more are counted and dropped. */
const waitingMax = 10_000

/**
 * Log lines as JSON on standard error, by pino, which loads after the first line was asked for: a start with nothing to
 * say, and the way to `ready`, do not pay for it.
 */
export class BrokerLogger implements Logger {
  private target: Logger | undefined
  private waiting: Line[] = []
  private dropped = 0
  private loading: Promise<void> | undefined

  info(fields: Record<string, unknown>, message: string): void {
    this.line({ level: 'info', fields, message })
  }
  warn(fields: Record<string, unknown>, message: string): void {
    this.line({ level: 'warn', fields, message })
  }
  error(fields: Record<string, unknown>, message: string): void {
    this.line({ level: 'error', fields, message })
  }

  /** Loads the library and writes what waited. Called when the broker serves, and before the process ends. */
  async open(): Promise<void> {
    this.loading ??= this.load()
    await this.loading
  }

  private line(line: Line): void {
    if (this.target !== undefined) this.target[line.level](line.fields, line.message)
    else if (this.waiting.length < waitingMax) this.waiting.push(line)
    else this.dropped++
  }

  private async load(): Promise<void> {
    const { default: pino } = await import('pino')
    // Synchronous, so that the last line before an exit is not lost.
    const target = pino({ base: null }, pino.destination({ dest: 2, sync: true }))
    this.target = target
    for (const { level, fields, message } of this.waiting) target[level](fields, message)
    if (this.dropped > 0) target.warn({ dropped: this.dropped }, 'log lines were dropped before the log was open')
    this.waiting = []
  }
}
