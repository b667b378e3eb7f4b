import type { Logger } from '../base/logger.ts'
import type { Disk } from '../base/world.ts'

/** Room for a checkpoint of a hundred thousand logs beside the one it replaces. */
const reserveBytes = 4 << 20

/**
 * Space on the disk that is given up when the disk is full, so that what frees space, and has to be written down before it
 * does, can be. It is taken again once there is room.
 */
export class SpaceReserve {
  private readonly disk: Disk
  private readonly path: string
  private readonly logger: Logger
  private held = false

  constructor(disk: Disk, path: string, logger: Logger) {
    this.disk = disk
    this.path = path
    this.logger = logger
  }

  /** Takes the space unless it is held. A disk without room for it is no failure: it is asked again later. */
  async take(): Promise<void> {
    if (this.held) return
    try {
      if (!(await this.disk.exists(this.path))) await this.disk.replace(this.path, new Uint8Array(reserveBytes))
      this.held = true
    } catch {
      // Who needs space hears of it; there is nothing to add.
    }
  }

  /** Does `work`, and if the disk is full, gives up the space and does it once more. */
  async spend(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOSPC') throw error
      this.logger.warn({ path: this.path }, 'the disk is full: its reserve is given up so that records can be removed')
      this.held = false
      await this.disk.remove(this.path)
      await work()
    }
  }
}
