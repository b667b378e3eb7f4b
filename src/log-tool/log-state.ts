import type { EpochStart } from '../log/leader-epochs.ts'
import type { ProducerStates } from '../log/producer-state.ts'
import type { AbortedTransaction } from '../log/transaction-marker.ts'
import type { Entry, ReadFiles } from './files.ts'
import type { Finding, FindingCode, Note, Severity } from './finding.ts'
import type { Patch } from './healing.ts'
import { ProducerHistory } from './producer-history.ts'
import type { Checksum } from './segment-reader.ts'
import type { SegmentNames } from './swaps.ts'
import { TransactionHistory } from './transaction-history.ts'

/** What all checks share. */
export interface CheckContext {
  readonly files: ReadFiles
  readonly checksum: Checksum
  /** A broker holds the directory: what it is writing is looked at only as far as it holds. */
  readonly live: boolean
  report(finding: Finding): void
  note(note: Note): void
  /** So many bytes of .log files were read. */
  progress(bytes: number): void
}

/** Bytes of a .log file that are no sound batch. */
export interface Damage {
  readonly position: number
  /** Where the next sound batch begins, or the bytes end. */
  readonly end: number
  /** The offsets that it held, exclusive; `toOffset` is -1 where nothing tells. */
  readonly fromOffset: number
  readonly toOffset: number
  /** Of the batch before it. */
  readonly leaderEpoch: number
  /** Nothing sound comes behind it in the whole log. */
  readonly atEnd: boolean
  /** It looks like an append that was interrupted. */
  readonly torn: boolean
  readonly message: string
}

/** Offsets that no batch holds, in front of the batch at `position`. */
export interface Gap {
  readonly file: string
  readonly segmentBase: number
  readonly position: number
  readonly from: number
  readonly to: number
  readonly leaderEpoch: number
}

/** What the check of one segment found out, and what it takes to mend it. */
export interface SegmentFacts {
  readonly baseOffset: number
  readonly path: string
  sizeBytes: number
  /** Where the last sound batch, or the last damage before one, ends. */
  contentBytes: number
  endOffset: number
  readonly damages: Damage[]
  /** What makes single fields right that the checksum does not cover. */
  readonly patches: Patch[]
  indexWrong: boolean
  timeIndexWrong: boolean
  txnIndexWrong: boolean
  /** What its markers aborted, as far as the log still has data of it: its index is to say so. */
  readonly aborted: AbortedTransaction[]
}

/** What a producer snapshot says, and at which offset. */
export interface Snapshot {
  readonly offset: number
  readonly file: string
  readonly producers: ProducerStates
}

/** One log as the walk over its batches goes on. */
export class LogState {
  readonly context: CheckContext
  /** Relative to the directory that was named. */
  readonly name: string
  readonly history = new ProducerHistory()
  readonly transactions = new TransactionHistory()
  readonly segments: SegmentFacts[] = []
  /** From the checkpoint; undefined when that cannot be read. */
  epochs: readonly EpochStart[] | undefined
  snapshots: Snapshot[] = []
  /** Where the newest of them that is whole was taken: what was aborted below it, a start looks for in the indexes alone. */
  newestSnapshot = 0
  /** Where the log ended when it was closed cleanly. */
  knownEnd: number | undefined
  /** It was closed cleanly: its files are all they will be. */
  closed = false
  /** cleanup.policy of its topic; undefined when that is not known. */
  compacted: boolean | undefined
  /** Some batch lacks records, so the log was compacted whatever its topic says. */
  sawCompaction = false
  /** Some batch is damaged, or stands for lost ones. */
  sawLoss = false
  readonly gaps: Gap[] = []
  readonly seenEpochs: EpochStart[] = []
  expected = -1
  leaderEpoch = -1
  batches = 0
  records = 0
  bytes = 0

  constructor(context: CheckContext, name: string) {
    this.context = context
    this.name = name
  }

  get holes(): boolean {
    return this.compacted === true || this.sawCompaction
  }

  found(
    severity: Severity,
    code: FindingCode,
    file: string,
    place: { position?: number | undefined; offset?: number | undefined },
    message: string,
    remedy: string,
  ): void {
    this.context.report({ severity, code, file, ...place, message, remedy })
  }
}

/** What is known of a partition besides its own directory. */
export interface PartitionContext {
  /** Shown, relative to the directory that was named. */
  readonly name: string
  readonly path: string
  /** The metadata log lies beside the partitions, and has fewer files than they. */
  readonly isMetadataLog: boolean
  /** The id of the topic that owns it; undefined when that is not known. */
  readonly topicId: string | undefined
  readonly compacted: boolean | undefined
  /** From the checkpoints; undefined without an entry. */
  readonly recoveryPoint: number | undefined
  readonly logStart: number | undefined
  readonly cleanerOffset: number | undefined
  /** The data directory was closed cleanly. */
  readonly closedCleanly: boolean
}

/** What `verify` tells of a partition and `repair` goes by. */
export interface PartitionFacts {
  readonly context: PartitionContext
  readonly log: LogState
  readonly segments: readonly SegmentFacts[]
  readonly entries: readonly Entry[]
  readonly names: SegmentNames
  logEnd: number
  /** Names in the directory that are to be moved aside. */
  readonly leftovers: string[]
  readonly badSnapshots: number[]
  epochsWrong: boolean
  metadataWrong: boolean
  recoveryPointWrong: boolean
  logStartWrong: boolean
  cleanerOffsetWrong: boolean
}
