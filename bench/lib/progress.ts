import type { Row } from './measure.ts'
import type { BenchOptions } from './options.ts'

// Beyond the load: starting and stopping a broker, syncing its disk, filling its memory, settling a topic.
const aroundRunSeconds = 8
const fillingSeconds = 5
const echoSeconds = 4

/** What the rows will take, about. */
export const estimateSeconds = (rows: readonly Row[], options: BenchOptions): number => {
  const brokers = options.peerKafka ? 2 : 1
  return rows.reduce((sum, row) => {
    const load = options.warmupSeconds + (row.seconds?.(options) ?? options.seconds)
    const run = load + aroundRunSeconds + (row.fillsMemory ? fillingSeconds : 0)
    return sum + options.runs * (brokers * run + (row.replyBytes === undefined ? 0 : echoSeconds))
  }, 0)
}

export const durationText = (seconds: number): string => {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A line that is overwritten, for whoever watches: where the bench is, and how long it will still take. */
export class Progress {
  private readonly options: BenchOptions
  private readonly total: number
  private readonly startedAt = performance.now()
  private doneSeconds = 0 // of the estimate

  constructor(rows: readonly Row[], options: BenchOptions) {
    this.options = options
    this.total = estimateSeconds(rows, options)
  }

  rowDone(row: Row): void {
    this.doneSeconds += estimateSeconds([row], this.options)
    this.clear()
  }

  /** The estimate is corrected by what the rows before really took. */
  show(row: Row, turn: number, side: string): void {
    if (!process.stderr.isTTY) return
    const elapsed = (performance.now() - this.startedAt) / 1000
    const within = (estimateSeconds([row], this.options) * turn) / this.options.runs
    const pace = this.doneSeconds > 0 ? elapsed / (this.doneSeconds + within) : 1
    const left = Math.max(0, this.total - this.doneSeconds - within) * pace
    const text = `${durationText(left)} left · ${row.name}: run ${turn + 1} of ${this.options.runs}, ${side}`
    process.stderr.write(`\r\x1b[K${text.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`)
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  }
}
