/**
 * The line of those who wait for the disk: so many at once get a worker thread, so that the others, which files are
 * closed and checkpoints written on, are never all taken. Everybody in line is a request, and a connection has one.
 */
export class ColdReads {
  private readonly limit: number
  private readonly line: (() => void)[] = []
  private next = 0
  private running = 0

  constructor(limit: number) {
    this.limit = limit
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running >= this.limit) await new Promise<void>(resolve => this.line.push(resolve))
    else this.running++
    try {
      return await task()
    } finally {
      this.handOn()
    }
  }

  /** The place goes to who came first. */
  private handOn(): void {
    const waiting = this.line[this.next]
    if (waiting === undefined) {
      this.running--
      return
    }
    this.next++
    if (this.next === this.line.length) {
      this.line.length = 0
      this.next = 0
    }
    waiting()
  }
}
