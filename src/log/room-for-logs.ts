import type { Logger } from '../base/logger.ts'
import type { SpaceReserve } from './space-reserve.ts'

/** After so many ticks in which no append found the disk full it is told again when one does. */
const quietTicks = 60
/** What a partition without records takes: a directory and a file that says whose it is. */
const partitionBytes = 8 << 10
/** The directory, a segment and its indexes, the files beside it. */
const partitionInodes = 8

/** Whether logs have room to grow and to be made, and who waits for that. Time is counted in the log manager's ticks. */
export class RoomForLogs {
  private readonly reserve: SpaceReserve
  private readonly path: string
  private readonly logger: Logger
  private fullTick = Number.NEGATIVE_INFINITY
  private waiting: (() => void)[] = []

  constructor(reserve: SpaceReserve, path: string, logger: Logger) {
    this.reserve = reserve
    this.path = path
    this.logger = logger
  }

  /** An append found no room. */
  noteFull(tick: number): void {
    if (tick - this.fullTick > quietTicks)
      this.logger.warn({ directory: this.path }, 'the disk is full: records are refused until there is room')
    this.fullTick = tick
  }

  /** Whether an append last found no room in this tick. */
  wasFullAt(tick: number): boolean {
    return this.fullTick === tick
  }

  /** Calls `retry` once there may be room for what failed for want of it. */
  when(retry: () => void): void {
    this.waiting.push(retry)
  }

  /** Whether so many more partitions fit onto the disk. */
  async fits(partitions: number): Promise<boolean> {
    const { bytes, files } = await this.reserve.room()
    return bytes >= partitions * partitionBytes && files >= partitions * partitionInodes
  }

  /** Tries to have the reserve again, and tells who waits if there is room. */
  async ask(): Promise<void> {
    await this.reserve.take()
    const retries = this.waiting
    if (retries.length === 0 || !(await this.fits(1).catch(() => false))) return
    this.waiting = []
    for (const retry of retries) retry()
  }
}
