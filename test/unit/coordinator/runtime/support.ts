import type { Clock, LogSettings } from '../../../../src/base/world.ts'
import { CoordinatorError } from '../../../../src/coordinator/runtime/coordinator-error.ts'
import { CoordinatorRuntime } from '../../../../src/coordinator/runtime/coordinator-runtime.ts'
import { type CoordinatorRecord, coordinatorRecord, isRecordOf } from '../../../../src/coordinator/runtime/record.ts'
import type { ReplayedFrom, Shard, Turn } from '../../../../src/coordinator/runtime/shard.ts'
import { Durability } from '../../../../src/log/durability.ts'
import { LeaderEpochs } from '../../../../src/log/leader-epochs.ts'
import { PartitionLog } from '../../../../src/log/partition-log.ts'
import { ProducerStates } from '../../../../src/log/producer-state.ts'
import { consumerOffsetsRecords } from '../../../../src/protocol/all-records.ts'
import { ErrorCode as Code, type ErrorCode, errorName, zeroUuid } from '../../../../src/protocol/index.ts'
import { offsetCommitRecord } from '../../../../src/protocol/records-schema/offset-commit.ts'
import { Partition } from '../../../../src/replication/partition.ts'
import { PartitionTable } from '../../../../src/replication/partition-table.ts'
import { FakeWorld } from '../../../support/fake-world.ts'
import type { Machine } from '../../../support/machine.ts'
import { RecordingLogger } from '../../../support/test-broker.ts'

export const topic = '__consumer_offsets'

const settings: LogSettings = {
  segmentBytes: 1 << 20,
  segmentMs: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 1 << 20,
  maxMessageBytes: 1 << 20,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  logAppendTime: false,
  requireKeys: true,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  deletes: false,
  retentionMs: -1,
  retentionBytes: -1,
}

/** Offsets of one group, by topic: the smallest shard there is. */
export class RegisterShard implements Shard {
  readonly offsets = new Map<string, number>()
  readonly replayed: { readonly topic: string; readonly from: ReplayedFrom }[] = []
  readonly ends: string[] = []
  isLoaded = false

  replay(record: CoordinatorRecord, from: ReplayedFrom): void {
    if (!isRecordOf(record, offsetCommitRecord)) return
    this.replayed.push({ topic: record.key.topic, from })
    if (record.value === null) this.offsets.delete(record.key.topic)
    else this.offsets.set(record.key.topic, record.value.offset)
  }
  replayTransactionEnd(producerId: bigint, producerEpoch: number, committed: boolean): void {
    this.ends.push(`${producerId}/${producerEpoch} ${committed ? 'committed' : 'aborted'}`)
  }
  loaded(): void {
    this.isLoaded = true
  }
}

export const commit = (name: string, offset: number | null, metadata = ''): CoordinatorRecord =>
  coordinatorRecord(
    offsetCommitRecord,
    { group: 'g', topic: name, partition: 0 },
    offset === null
      ? null
      : { offset, leaderEpoch: -1, metadata, commitTimestamp: 0, expireTimestamp: -1, topicId: zeroUuid },
    3,
  )

export interface RuntimeOptions {
  readonly machine?: Machine
  readonly log?: Partial<LogSettings>
  readonly clock?: Clock
  readonly commitTimeoutMs?: number
  readonly appendLingerMs?: number
}

/** A runtime of RegisterShards on one partition in a world in memory; flushes are held until the test lets them go. */
export class RuntimeUnderTest {
  readonly world: FakeWorld
  readonly logger = new RecordingLogger()
  readonly table = new PartitionTable()
  readonly runtime: CoordinatorRuntime<RegisterShard>
  readonly shards: RegisterShard[] = []
  topicsMissed = 0
  partition!: Partition
  /** What the next appends wait for. */
  room: Promise<void> | undefined

  private constructor(
    world: FakeWorld,
    { clock = world.clock, commitTimeoutMs = 5_000, appendLingerMs = 0 }: RuntimeOptions,
  ) {
    this.world = world
    world.storage.holdFlushes = true
    this.runtime = new CoordinatorRuntime({
      topic,
      schemas: consumerOffsetsRecords,
      table: this.table,
      storage: world.storage,
      clock,
      timers: world.timers,
      logger: this.logger,
      newShard: () => {
        const shard = new RegisterShard()
        this.shards.push(shard)
        return shard
      },
      commitTimeoutMs: () => commitTimeoutMs,
      appendLingerMs: () => appendLingerMs,
      onTopicMissing: () => {
        this.topicsMissed++
      },
    })
  }

  static async start(options: RuntimeOptions = {}): Promise<RuntimeUnderTest> {
    const under = new RuntimeUnderTest(new FakeWorld(options.machine), options)
    await under.open(options.log)
    return under
  }

  /** Opens the partition's log, as a start does, or makes it. */
  async open(log: Partial<LogSettings> = {}, id = 'id'): Promise<void> {
    this.partition = await this.openPartition(0, log)
    this.table.add(topic, id as never, [this.partition])
  }

  /** Gives the topic one more partition. */
  async extend(): Promise<void> {
    const { id, partitions } = this.table.topic(topic)!
    this.table.extend(id, [await this.openPartition(partitions.length)])
  }

  private async openPartition(index: number, log: Partial<LogSettings> = {}): Promise<Partition> {
    const { world } = this
    const all = { ...settings, ...log }
    const { log: stored } = await world.storage.openLog(`/${topic}-${index}`, all, 1, 0, 0)
    const sideFiles = {
      room: () => this.room,
      saveProducers() {},
      saveEpochs() {},
      appended() {},
      diskFull() {},
    }
    const made = new PartitionLog(stored, new ProducerStates(), new LeaderEpochs(), all, sideFiles as never)
    const image = { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] }
    const partition = new Partition(topic, index, image, { writeCaching: true, minInSyncReplicas: 1 })
    new Durability(world.storage).watch(stored, {
      onDurable: durableOffset => partition.onDurable(durableOffset),
      onFailed: () => partition.offline(Code.KAFKA_STORAGE_ERROR),
    })
    partition.online(made)
    return partition
  }

  get log() {
    return this.world.storage.log(`/${topic}-0`)
  }
  get shard(): RegisterShard {
    return this.shards.at(-1)!
  }

  settle(): Promise<void> {
    return this.world.time.settle()
  }

  /** Lets everything be flushed that was asked for. */
  async flush(): Promise<void> {
    await this.settle()
    this.world.storage.flush()
    await this.settle()
  }

  ask<T>(work: (shard: RegisterShard, turn: Turn, answer: (response: T) => void) => void, partition = 0): Asked<T> {
    return new Asked(
      this.runtime.ask<T>(partition, (shard, turn, asker) =>
        work(shard, turn, response => turn.answer(asker, response)),
      ),
    )
  }

  set(name: string, offset: number | null, partition = 0): Asked<string> {
    return this.ask((_, turn, answer) => {
      turn.append(commit(name, offset))
      answer(`${name}=${offset}`)
    }, partition)
  }

  /** `none` when there is none. */
  get(name: string): Asked<string> {
    return this.ask((shard, _, answer) => answer(String(shard.offsets.get(name) ?? 'none')))
  }
}

/** A request of a test and what became of it, as far as promises have run. */
export class Asked<T> {
  answer: T | undefined
  code: ErrorCode | undefined

  constructor(promise: Promise<T>) {
    promise.then(
      answer => {
        this.answer = answer
      },
      (error: unknown) => {
        if (!(error instanceof CoordinatorError)) throw error
        this.code = error.code
      },
    )
  }

  /** What became of it, as text. */
  get outcome(): string {
    if (this.code !== undefined) return errorName(this.code)
    return this.answer === undefined ? 'waits' : String(this.answer)
  }
}
