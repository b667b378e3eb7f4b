import type { Logger } from './logger.ts'

/** Kafka's levels, the most talkative first. */
export const logLevels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const
export type LogLevel = (typeof logLevels)[number]

export const isLogLevel = (text: string): text is LogLevel => (logLevels as readonly string[]).includes(text)

/** A logger whose level can be changed while it is used; lines below it go nowhere. */
export class LevelledLogger implements Logger {
  level: LogLevel = 'INFO'
  private readonly target: Logger

  constructor(target: Logger) {
    this.target = target
  }

  info(fields: Record<string, unknown>, message: string): void {
    if (this.passes('INFO')) this.target.info(fields, message)
  }
  warn(fields: Record<string, unknown>, message: string): void {
    if (this.passes('WARN')) this.target.warn(fields, message)
  }
  error(fields: Record<string, unknown>, message: string): void {
    if (this.passes('ERROR')) this.target.error(fields, message)
  }

  private passes(level: LogLevel): boolean {
    return logLevels.indexOf(level) >= logLevels.indexOf(this.level)
  }
}
