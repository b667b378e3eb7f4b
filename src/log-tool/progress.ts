import type { ToolEnvironment } from './environment.ts'

const intervalMs = 100

/** Shows on a terminal how far a command is; does nothing where there is none. */
export class Progress {
  private readonly environment: ToolEnvironment
  private readonly totalBytes: number
  private readonly startMs: number
  private doneBytes = 0
  private shownMs = 0

  constructor(environment: ToolEnvironment, totalBytes: number) {
    this.environment = environment
    this.totalBytes = totalBytes
    this.startMs = environment.monotonicMs()
  }

  add(bytes: number): void {
    this.doneBytes += bytes
    const { progressLine } = this.environment
    if (progressLine === undefined) return
    const nowMs = this.environment.monotonicMs()
    if (nowMs - this.shownMs < intervalMs) return
    this.shownMs = nowMs
    const percent = this.totalBytes === 0 ? 100 : Math.min(100, Math.floor((this.doneBytes / this.totalBytes) * 100))
    const mbPerSecond = Math.round(this.doneBytes / 1000 / Math.max(1, nowMs - this.startMs))
    progressLine(`${percent} % of ${Math.round(this.totalBytes / 1e6)} MB, ${mbPerSecond} MB/s`)
  }

  /** Takes the line away, before something else is shown. */
  clear(): void {
    this.environment.progressLine?.('')
  }
}
