import assert from 'node:assert/strict'
import { test } from 'node:test'
import { err, ok } from '../../../../src/base/result.ts'
import { MarkerWriter } from '../../../../src/coordinator/transaction/marker-writer.ts'
import type { MarkerJob, TopicPartition } from '../../../../src/coordinator/transaction/transaction.ts'
import { appendFailure } from '../../../../src/log/append-failure.ts'
import type { TransactionMarker } from '../../../../src/log/transaction-marker.ts'
import { ErrorCode } from '../../../../src/protocol/index.ts'
import type { CommitWaiter } from '../../../../src/replication/partition.ts'
import type { PartitionTable } from '../../../../src/replication/partition-table.ts'
import { RecordingLogger } from '../../../support/test-broker.ts'
import { VirtualTime } from '../../../support/virtual-time.ts'

/** One partition of a test: takes markers until it is told to refuse them. */
class MarkedPartition {
  readonly name: string
  readonly steps: string[]
  refuses: ErrorCode = ErrorCode.NONE
  readonly waiters: CommitWaiter[] = []
  private end = 0

  constructor(name: string, steps: string[]) {
    this.name = name
    this.steps = steps
  }

  appendMarker({ producerId, committed }: TransactionMarker) {
    if (this.refuses !== ErrorCode.NONE) return err(appendFailure(this.refuses, 'refused'))
    this.steps.push(`${this.name}: ${producerId} ${committed ? 'commits' : 'aborts'}`)
    this.end++
    return ok({ baseOffset: this.end - 1, endOffset: this.end, logAppendTimeMs: -1, flushFirst: false })
  }

  whenDurable(waiter: CommitWaiter): void {
    this.steps.push(`${this.name}: sync`)
    this.waiters.push(waiter)
  }

  sync(code: ErrorCode = ErrorCode.NONE): void {
    for (const waiter of this.waiters.splice(0)) waiter.onCommitted(code)
  }
}

class Under {
  readonly time = new VirtualTime()
  readonly logger = new RecordingLogger()
  readonly steps: string[] = []
  readonly topics = new Map<string, MarkedPartition[]>()
  readonly inGroups: ((code: ErrorCode) => void)[] = []
  readonly done: string[] = []
  readonly writer = new MarkerWriter({
    table: {
      topic: (name: string) => {
        const partitions = this.topics.get(name)
        return partitions === undefined ? undefined : { partitions }
      },
    } as unknown as PartitionTable,
    clock: this.time,
    timers: this.time,
    logger: this.logger,
    endInGroups: (partition, { producerId }) => {
      this.steps.push(`groups-${partition}: ${producerId}`)
      return new Promise(resolve => this.inGroups.push(resolve))
    },
  })

  constructor(topics: Record<string, number>) {
    for (const [topic, partitions] of Object.entries(topics))
      this.topics.set(
        topic,
        Array.from({ length: partitions }, (_, index) => new MarkedPartition(`${topic}-${index}`, this.steps)),
      )
  }

  at(topic: string, partition: number): MarkedPartition {
    return this.topics.get(topic)![partition]!
  }

  write(
    transactionalId: string,
    producerId: bigint,
    partitions: readonly TopicPartition[],
    more: Partial<MarkerJob> = {},
  ) {
    const job = { transactionalId, producerId, producerEpoch: 0, coordinatorEpoch: 0, committed: true, partitions }
    const done = more.committed === false ? `${transactionalId} aborted` : transactionalId
    this.writer.write({ transactionVersion: 2, ...job, ...more }, () => this.done.push(done))
  }

  /** The steps since the last time. */
  async took(): Promise<string[]> {
    await this.time.settle()
    return this.steps.splice(0)
  }
}

const t = (partition: number): TopicPartition => ({ topic: 't', partition })

test('markers of all that was decided in a turn are in their logs before the first of these is synced', async () => {
  const under = new Under({ t: 2 })
  under.write('one', 1n, [t(0), t(1)])
  under.write('two', 2n, [t(0)], { committed: false })
  assert.deepEqual(await under.took(), [
    ...['t-0: 1 commits', 't-1: 1 commits', 't-0: 2 aborts'],
    ...['t-0: sync', 't-1: sync', 't-0: sync'],
  ])
  under.at('t', 0).sync()
  assert.deepEqual(under.done, ['two aborted'])
  assert.deepEqual([under.writer.counts.jobs, under.writer.counts.markers], [1, 3])
  under.at('t', 1).sync()
  assert.deepEqual(under.done, ['two aborted', 'one'])
  assert.equal(under.writer.counts.jobs, 0)
})

test('markers of very many partitions leave turns to others, and none follows once the job is over', async () => {
  const partitions = Array.from({ length: 300 }, (_, index) => t(index))
  const under = new Under({ t: 300 })
  under.write('one', 1n, partitions)
  const seen: number[] = []
  const look = (): void => {
    seen.push(under.steps.filter(step => step.endsWith('commits')).length)
    if (seen.length < 3) under.time.soon(look)
    else under.write('one', 1n, [t(0)], { producerEpoch: 1, committed: false })
  }
  under.time.soon(look)
  await under.time.settle()
  assert.ok(seen[0]! > 0 && seen[0]! < seen[1]! && seen[1]! < seen[2]! && seen[2]! < 300, String(seen))
  const markers = under.steps.filter(step => !step.endsWith('sync'))
  assert.equal(markers.length, seen[2]! + 1, 'what was left of the first job is never written')
  assert.equal(markers.at(-1), 't-0: 1 aborts')
})

test('row 22: what a partition cannot take is tried again there until it does, and nowhere else', async () => {
  const under = new Under({ t: 2 })
  under.at('t', 1).refuses = ErrorCode.KAFKA_STORAGE_ERROR
  under.write('one', 1n, [t(0), t(1)])
  assert.deepEqual(await under.took(), ['t-0: 1 commits', 't-0: sync'])
  under.at('t', 0).sync()
  await under.time.advance(5_000)
  assert.deepEqual([await under.took(), under.done], [[], []])
  const { retries, oldestMs } = under.writer.counts
  assert.ok(retries > 5 && retries < 12 && oldestMs === 5_000, `${retries} retries`)
  under.at('t', 1).refuses = ErrorCode.NONE
  await under.time.advance(1_000)
  assert.deepEqual(await under.took(), ['t-1: 1 commits', 't-1: sync'])
  // It goes offline before the marker is durable: it is not known what is left of it.
  under.at('t', 1).sync(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  await under.time.advance(1_000)
  assert.deepEqual(await under.took(), ['t-1: 1 commits', 't-1: sync'])
  under.at('t', 1).sync()
  assert.deepEqual(under.done, ['one'])
})

test('partitions of topics that were deleted get no marker, and keep nobody waiting', async () => {
  const under = new Under({ t: 1 })
  under.write('one', 1n, [t(0), t(7), { topic: 'gone', partition: 0 }])
  under.write('two', 2n, [{ topic: 'gone', partition: 0 }])
  under.write('three', 3n, [])
  assert.deepEqual(await under.took(), ['t-0: 1 commits', 't-0: sync'])
  assert.deepEqual(under.done, ['two', 'three'])
  under.at('t', 0).sync()
  assert.deepEqual(under.done, ['two', 'three', 'one'])
})

test('a partition that knows a newer epoch is done with; a newer coordinator has all of the transaction', async () => {
  const under = new Under({ t: 2 })
  under.at('t', 0).refuses = ErrorCode.INVALID_PRODUCER_EPOCH
  under.write('one', 1n, [t(0), t(1)])
  await under.took()
  under.at('t', 1).sync()
  assert.deepEqual(under.done, ['one'])
  under.at('t', 1).refuses = ErrorCode.TRANSACTION_COORDINATOR_FENCED
  under.write('two', 2n, [t(1)])
  await under.took()
  await under.time.advance(10_000)
  assert.deepEqual([await under.took(), under.done, under.writer.counts.jobs], [[], ['one'], 0])
  assert.equal(under.writer.counts.refused, 2)
})

test('row 17: of a job whose shard was made anew not one marker more is written', async () => {
  const under = new Under({ t: 2 })
  under.at('t', 1).refuses = ErrorCode.KAFKA_STORAGE_ERROR
  under.write('one', 1n, [t(0), t(1)], { committed: false })
  await under.took()
  under.write('one', 1n, [t(0)])
  assert.deepEqual(await under.took(), ['t-0: 1 commits', 't-0: sync'])
  under.at('t', 1).refuses = ErrorCode.NONE
  under.at('t', 0).sync()
  await under.time.advance(10_000)
  assert.deepEqual([await under.took(), under.done], [[], ['one']])
})

test('offsets of groups are ended where the coordinator of groups writes them', async () => {
  const under = new Under({ t: 1, __consumer_offsets: 4 })
  under.write('one', 1n, [t(0), { topic: '__consumer_offsets', partition: 3 }])
  assert.deepEqual(await under.took(), ['t-0: 1 commits', 'groups-3: 1', 't-0: sync'])
  under.at('t', 0).sync()
  under.inGroups[0]!(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  await under.time.advance(100)
  assert.deepEqual(await under.took(), ['groups-3: 1'])
  under.inGroups[1]!(ErrorCode.NONE)
  await under.time.settle()
  assert.deepEqual(under.done, ['one'])
})

test('a stop ends what was on its way, and leaves no timer', async () => {
  const under = new Under({ t: 2 })
  under.at('t', 1).refuses = ErrorCode.KAFKA_STORAGE_ERROR
  under.write('one', 1n, [t(0), t(1)])
  await under.took()
  under.writer.stop()
  under.write('two', 2n, [t(0)])
  under.at('t', 0).sync()
  await under.time.advance(10_000)
  assert.deepEqual([await under.took(), under.done], [[], []])
  assert.equal(under.time.pending, 0)
})
