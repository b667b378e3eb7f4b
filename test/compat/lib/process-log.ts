import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** What a process printed so far, line by line, whichever stream it came by. */
export class ProcessLog {
  readonly lines: string[] = []
  private readonly arrivals = new EventEmitter()

  constructor(...streams: readonly Readable[]) {
    for (const stream of streams) {
      const reader = createInterface({ input: stream })
      reader.on('line', line => {
        this.lines.push(line)
        this.arrivals.emit('line')
      })
      reader.once('close', () => this.arrivals.emit('line'))
    }
  }

  /** The end of the log, for a failure's message. */
  get tail(): string {
    return this.lines.slice(-20).join('\n')
  }

  /** The first line from line `from` on that `matches` says yes to, now or within `timeoutMs`. */
  async until(matches: (line: string) => boolean, timeoutMs: number, from = 0): Promise<string> {
    const deadline = AbortSignal.timeout(timeoutMs)
    for (let next = from; ; ) {
      for (; next < this.lines.length; next++) {
        const line = this.lines[next]
        if (line !== undefined && matches(line)) return line
      }
      await once(this.arrivals, 'line', { signal: deadline }).catch(() => {
        throw new Error(`the awaited line did not come within ${timeoutMs} ms; the log ends with\n${this.tail}`)
      })
    }
  }
}
