import type { LogKey } from './log-key.ts'
import type { PartitionFiles } from './partition-files.ts'
import type { PartitionLog } from './partition-log.ts'
import type { WrittenLog } from './written-logs.ts'

/** What the log manager knows of a log that is open. */
export class OpenLog implements WrittenLog<OpenLog> {
  readonly key: LogKey
  readonly log: PartitionLog
  readonly files: PartitionFiles
  /** It is in the list of logs whose recovery point is behind. */
  behind = false
  /** What recovery found of it is on the disk. */
  settled: boolean
  older: OpenLog | undefined = undefined
  newer: OpenLog | undefined = undefined
  written = false
  writtenTick = 0

  constructor(key: LogKey, log: PartitionLog, files: PartitionFiles, settled: boolean) {
    this.key = key
    this.log = log
    this.files = files
    this.settled = settled
  }

  rest(): boolean {
    return this.log.stored.rest()
  }

  requestFlush(): void {
    this.log.stored.requestFlush()
  }
}
