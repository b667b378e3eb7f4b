/**
 * How bad a finding is. `data`: records are lost, missing or not what was written. `rebuilt`: a copy of what the log says is
 * wrong, or a tail is incomplete that was never acknowledged; the broker's next start or `repair` puts it right.
 * `harmless`: nothing reads it.
 */
export type Severity = 'data' | 'rebuilt' | 'harmless'

/** What is wrong, as programs compare it. */
export type FindingCode =
  | 'batch-damaged'
  | 'batch-incomplete'
  | 'batch-header'
  | 'batch-offset'
  | 'batch-epoch'
  | 'batch-records'
  | 'batch-timestamp'
  | 'offset-gap'
  | 'segment-overlap'
  | 'producer-sequence'
  | 'control-batch'
  | 'index'
  | 'time-index'
  | 'txn-index'
  | 'snapshot'
  | 'leader-epochs'
  | 'partition-metadata'
  | 'partition-missing'
  | 'checkpoint'
  | 'log-end'
  | 'log-start'
  | 'leftover'
  | 'marker'
  | 'unreadable'
  | 'foreign-entry'

export interface Finding {
  readonly severity: Severity
  readonly code: FindingCode
  /** Relative to the directory that was named. */
  readonly file: string
  readonly position?: number | undefined
  readonly offset?: number | undefined
  /** What is wrong. */
  readonly message: string
  /** What to do next. */
  readonly remedy: string
}

/** What a killed broker leaves and the next start puts in order, or what lies there on purpose: nothing wrong. */
export interface Note {
  readonly file: string
  readonly message: string
}

/** Remedies that several findings share. */
export const remedy = {
  repair: 'stop the broker and run millrace log repair: nothing is lost by it',
  acceptLoss:
    'restore the partition from a backup, or stop the broker and run millrace log repair --accept-data-loss, which keeps all other records and says what is lost',
  torn: 'nothing needs to be done: the next start cuts it, as does millrace log repair; it was not acknowledged',
  writer: 'keep a copy of the directory and report it: the checksum holds, so it was written like this',
  look: 'look at the file; nothing depends on it',
} as const
