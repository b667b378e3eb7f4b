import type { Logger } from '../../base/logger.ts'
import type { Clock, Storage, Timer, Timers } from '../../base/world.ts'
import type { TransactionMarker } from '../../log/transaction-marker.ts'
import { ErrorCode, type RecordSchema } from '../../protocol/index.ts'
import type { PartitionTable } from '../../replication/partition-table.ts'
import { Ask } from './asks.ts'
import { BatchPool, TurnRecords } from './batch-writer.ts'
import { CoordinatorError } from './coordinator-error.ts'
import { partitionOfKey } from './key-hash.ts'
import { RecordCodec } from './record-codec.ts'
import type { Asker, Shard, TransactionalProducer, Turn } from './shard.ts'
import { type HostParts, ShardHost } from './shard-host.ts'

export interface RuntimeParts<S extends Shard> {
  /** The coordinator's own topic. */
  readonly topic: string
  /** All records that it may hold. */
  readonly schemas: readonly RecordSchema[]
  readonly table: PartitionTable
  readonly storage: Pick<Storage, 'readRegion' | 'releaseRegion' | 'flushTogether'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  newShard(partition: number): S
  /** offsets.commit.timeout.ms */
  commitTimeoutMs(): number
  /** group.coordinator.append.linger.ms */
  appendLingerMs(): number
  /** Somebody asked, and the topic is not there: it is to be made. */
  onTopicMissing(): void
  /** For tests: what a partition's turns wrote is in its log. */
  appended?: ((partition: number) => void) | undefined
}

/** Of group.coordinator.append.linger.ms=-1: who commits alone does not wait. */
const adaptiveLingerMs = 5
/** A transaction that ends while it is looked for is not there the next time, unless another has begun. */
const maxVerifications = 3

/**
 * Runs a coordinator: a shard for each partition of its topic, made from the partition's log before it is first asked.
 * All its work happens in turns of the decision thread; what the turns of one loop turn wrote goes to each log as one
 * batch, and they are answered when it is committed.
 */
export class CoordinatorRuntime<S extends Shard> {
  private readonly parts: RuntimeParts<S>
  private readonly hostParts: HostParts<S>
  /** By partition. */
  private readonly hosts = new Map<number, ShardHost<S>>()
  private readonly toFlush = new Set<ShardHost<S>>()
  private readonly toLoad: ShardHost<S>[] = []
  private loading: ShardHost<S> | undefined
  private stopped = false
  private flushedMs = Number.NEGATIVE_INFINITY
  private linger: Timer | undefined
  /** Beyond any linger. */
  private flushAsked = false

  constructor(parts: RuntimeParts<S>) {
    this.parts = parts
    const codec = new RecordCodec(parts.schemas)
    this.hostParts = {
      storage: parts.storage,
      clock: parts.clock,
      timers: parts.timers,
      logger: parts.logger,
      codec,
      records: new TurnRecords(codec),
      batches: new BatchPool(),
      newShard: partition => parts.newShard(partition),
      commitTimeoutMs: () => parts.commitTimeoutMs(),
      ...(parts.appended === undefined ? {} : { appended: parts.appended }),
      flushSoon: (host, urgent) => this.flushSoon(host, urgent),
      loadSoon: (host, first) => this.loadSoon(host, first),
    }
  }

  /** How many partitions the topic has; 0 when it is not there. */
  get partitions(): number {
    return this.parts.table.topic(this.parts.topic)?.partitions.length ?? 0
  }

  /** Where what goes by `key` (a group, a transactional id) is kept; -1 when the topic is not there. */
  partitionFor(key: string): number {
    const { partitions } = this
    return partitions === 0 ? -1 : partitionOfKey(key, partitions)
  }

  /**
   * Runs `work` in a turn of the partition's shard, at once, and resolves with what the shard answers the asker, in that
   * turn or in a later one. Rejects with CoordinatorError when there is no such answer: the shard is not loaded (and is from
   * now on being loaded), its log did not take what it wrote, it was moved or stopped.
   */
  ask<Response>(partition: number, work: (shard: S, turn: Turn, asker: Asker<Response>) => void): Promise<Response> {
    return this.askAs(partition, undefined, work)
  }

  /**
   * The same for a turn whose records become part of the producer's transaction. Whether it has one there, and that
   * this partition belongs to it, is for `verify` to find out, unless the partition knows it; a transaction that ends
   * meanwhile is looked for again.
   */
  async askInTransaction<Response>(
    partition: number,
    producer: TransactionalProducer,
    verify: (() => Promise<ErrorCode>) | undefined,
    work: (shard: S, turn: Turn, asker: Asker<Response>) => void,
  ): Promise<Response> {
    const host = this.host(partition)
    for (let tries = 1; verify !== undefined && host !== undefined && !host.isOpen(producer); tries++) {
      if (tries > maxVerifications) throw new CoordinatorError(ErrorCode.CONCURRENT_TRANSACTIONS)
      const guard = host.guard(producer.producerId)
      const code = await verify().finally(() => guard.release())
      if (code !== ErrorCode.NONE) throw new CoordinatorError(code)
      if (!guard.ended) break
    }
    return await this.askAs(partition, producer, work)
  }

  /** Ends a producer's transaction in a partition: resolves with NONE when that is committed, else as `ask` rejects. */
  endTransaction(partition: number, marker: TransactionMarker): Promise<ErrorCode> {
    const host = this.host(partition)
    if (host === undefined) return Promise.reject(new CoordinatorError(ErrorCode.NOT_COORDINATOR))
    return new Promise((resolve, reject) => host.endTransaction(marker, new Ask(resolve, reject)))
  }

  /** Runs `work` in a turn of one shard, or of all: at once, or when it is loaded; never where it is not being loaded. */
  tell(partition: number | 'all', work: (shard: S, turn: Turn) => void): void {
    if (partition === 'all') for (const host of this.hosts.values()) host.tell(work)
    else this.hosts.get(partition)?.tell(work)
  }

  /** Begins to load one shard: who asks soon after may find it there. */
  load(partition: number): void {
    this.host(partition)?.beginLoad(true)
  }

  /** Begins to load every shard of which the log says something. */
  loadAll(): void {
    for (let partition = 0; partition < this.partitions; partition++) this.host(partition)?.beginLoad(false)
  }

  /** Nothing is asked, loaded or appended any more. */
  stop(): void {
    this.stopped = true
    for (const host of this.hosts.values()) host.stop()
    this.toLoad.length = 0
    this.toFlush.clear()
  }

  private askAs<Response>(
    partition: number,
    producer: TransactionalProducer | undefined,
    work: (shard: S, turn: Turn, asker: Asker<Response>) => void,
  ): Promise<Response> {
    const host = this.host(partition)
    if (host === undefined) {
      if (!this.stopped) this.parts.onTopicMissing()
      return Promise.reject(new CoordinatorError(ErrorCode.NOT_COORDINATOR))
    }
    return new Promise((resolve, reject) => host.ask(new Ask<Response>(resolve, reject), work, producer))
  }

  private host(index: number): ShardHost<S> | undefined {
    if (this.stopped) return undefined
    const partition = this.parts.table.topic(this.parts.topic)?.partitions[index]
    if (partition === undefined) return undefined
    let host = this.hosts.get(index)
    if (host === undefined) {
      host = new ShardHost(index, partition, this.hostParts)
      this.hosts.set(index, host)
    } else host.attach(partition)
    return host
  }

  /**
   * With what the turn of the loop brings. While appends come closer than the linger to each other, they wait until it is
   * over: what comes until then is made durable in one pass, which wakes each thread once. A transaction waits for no
   * linger: its other steps wait for it.
   */
  private flushSoon(host: ShardHost<S>, urgent: boolean): void {
    const { clock, timers } = this.parts
    const lingers = this.toFlush.size > 0
    this.toFlush.add(host)
    if (this.flushAsked || (lingers && !urgent)) return
    const set = urgent ? 0 : this.parts.appendLingerMs()
    const lingerMs = set < 0 ? this.flushedMs + adaptiveLingerMs - clock.monotonicMs() : set
    this.linger?.cancel()
    this.linger = undefined
    this.flushAsked = lingerMs <= 0
    if (lingerMs > 0) this.linger = timers.after(lingerMs, () => this.flush())
    else timers.soon(() => this.flush())
  }

  private flush(): void {
    this.flushAsked = false
    this.linger = undefined
    this.flushedMs = this.parts.clock.monotonicMs()
    const hosts = [...this.toFlush]
    this.toFlush.clear()
    if (hosts.length === 1) hosts[0]!.flush()
    else
      this.parts.storage.flushTogether(() => {
        for (const host of hosts) host.flush()
      })
  }

  /** One is loaded at a time: together they would only share the thread. */
  private loadSoon(host: ShardHost<S>, first: boolean): void {
    if (host === this.loading) return
    const at = this.toLoad.indexOf(host)
    if (at >= 0 && !first) return
    if (at >= 0) this.toLoad.splice(at, 1)
    if (first) this.toLoad.unshift(host)
    else this.toLoad.push(host)
    if (this.loading === undefined) void this.loadThem()
  }

  private async loadThem(): Promise<void> {
    for (let host = this.toLoad.shift(); host !== undefined; host = this.toLoad.shift()) {
      this.loading = host
      await host.load()
    }
    this.loading = undefined
  }
}
