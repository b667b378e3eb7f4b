import { GroupShard, type GroupShardParts } from '../../../src/coordinator/group/group-shard.ts'
import type { TopicsView } from '../../../src/coordinator/group/topics-view.ts'
import type { CoordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import type { Turn } from '../../../src/coordinator/runtime/shard.ts'
import { groupShardParts } from '../../support/group-shard-parts.ts'
import { ShardTurns, TestAsker } from '../../support/shard-turns.ts'

type Work<Response> = (shard: GroupShard, turn: Turn, asker: TestAsker<Response>) => void

/** Turns that note what is committed, and where a crash may cut the log: behind a whole turn. */
export class NotedTurns extends ShardTurns {
  readonly ends: number[] = [0]
  committed = 0

  override run(work: (turn: Turn) => void): CoordinatorRecord[] {
    const written = super.run(work)
    this.ends.push(this.log.length)
    if (!this.holdCommits) this.committed = this.log.length
    return written
  }

  override commit(): void {
    this.committed = this.log.length
    super.commit()
  }
}

/** A shard from one crash to the next, and the log that its lives share. */
export class ShardLife {
  shard: GroupShard
  turns: NotedTurns
  /** Requests of this life that have no answer. */
  private open: TestAsker<unknown>[] = []
  private readonly parts: GroupShardParts

  constructor(topics: TopicsView, log: readonly CoordinatorRecord[] = [], nowMs = 0) {
    // One for all lives, so that ids are not given again.
    this.parts = groupShardParts(topics)
    this.shard = new GroupShard(this.parts)
    this.turns = new NotedTurns(this.shard)
    this.begin(log, nowMs)
  }

  ask<Response>(work: Work<Response>): TestAsker<Response> {
    this.open = this.open.filter(({ done }) => !done)
    const asker = new TestAsker<Response>()
    this.open.push(asker as TestAsker<unknown>)
    this.turns.run(turn => work(this.shard, turn, asker))
    return asker
  }

  get unanswered(): number {
    return this.open.filter(({ done }) => !done).length
  }

  /** Nothing is committed from now on, until it is released or the shard crashes. */
  hold(): void {
    this.turns.holdCommits = true
  }

  release(): void {
    this.turns.holdCommits = false
    this.turns.commit()
  }

  /** Ends this life. Of what was not committed, `kept` of the turns are in the log that the next one finds. */
  crash(kept: number, change: (log: CoordinatorRecord[]) => CoordinatorRecord[]): void {
    const { log, ends, committed, nowMs } = this.turns
    const cuts = ends.filter(end => end >= committed)
    const end = cuts[Math.min(Math.floor(kept * cuts.length), cuts.length - 1)] ?? log.length
    this.open = []
    this.shard = new GroupShard(this.parts)
    this.turns = new NotedTurns(this.shard)
    this.begin(change(log.slice(0, end)), nowMs)
  }

  /** Another shard that was made from this one's log, to be compared with it. */
  replayed(): ShardLife {
    return new ShardLife(this.parts.topics, this.turns.log, this.turns.nowMs)
  }

  private begin(log: readonly CoordinatorRecord[], nowMs: number): void {
    this.turns.nowMs = nowMs
    for (const record of log) {
      this.turns.log.push(record)
      this.shard.replay(record, { offset: this.turns.log.length - 1, producerId: -1n, producerEpoch: -1 })
    }
    this.turns.run(turn => this.shard.loaded(turn))
  }
}

/** What the cleaner leaves of a log: the last record of each key, and no tombstones. */
export function compacted(log: readonly CoordinatorRecord[]): CoordinatorRecord[] {
  const last = new Map<string, CoordinatorRecord>()
  for (const record of log) last.set(keyOf(record), record)
  return log.filter(record => last.get(keyOf(record)) === record && record.value !== null)
}

const keyOf = ({ schema, key }: CoordinatorRecord): string => `${schema.name} ${Object.values(key).join('\0')}`
