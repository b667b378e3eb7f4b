import assert from 'node:assert/strict'
import { type AssignmentMember, noPartitions } from '../../../src/coordinator/group/assignor/assignment.ts'
import { assignorNamed } from '../../../src/coordinator/group/assignor/assignor.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
} from '../../../src/coordinator/group/consumer-protocol.ts'
import { partitionsById, partitionsByName } from '../../../src/coordinator/group/migration/partitions.ts'
import { ErrorCode } from '../../../src/protocol/index.ts'
import { type JoinAnswer, type MigrationShard, type SyncAnswer, subscribed } from '../../support/migration-shard.ts'
import type { TestAsker } from '../../support/shard-turns.ts'

type Assignments = Parameters<MigrationShard['sync']>[0]['assignments']

/**
 * A consumer of the classic protocol, eager (it gives up all before it joins) or cooperative (it keeps what it has, and joins
 * again after it gave up what it was not assigned any more). It leads where it is told to.
 */
export class ClassicClient {
  memberId = ''
  generation = -1
  readonly instanceId: string | null
  readonly cooperative: boolean
  readonly protocols: readonly string[]
  topics: readonly string[]
  /** What it uses: `t-0`. */
  owned = new Set<string>()
  phase: 'join' | 'joining' | 'sync' | 'syncing' | 'stable' = 'join'
  /** The instance was taken over, or there was no room: it ends. */
  ended = false
  private protocolName = ''
  /** Of a leader: the topics as they were when it assigned them. */
  private sawTopics: number | undefined
  private assignments: Assignments = []
  private joining: TestAsker<JoinAnswer> | undefined
  private syncing: TestAsker<SyncAnswer> | undefined

  constructor(
    instanceId: string | null,
    cooperative: boolean,
    protocols: readonly string[],
    topics: readonly string[],
  ) {
    this.instanceId = instanceId
    this.cooperative = cooperative
    this.protocols = protocols
    this.topics = topics
  }

  /** The next thing that it has to do; nothing while it waits for an answer. */
  act(shard: MigrationShard): void {
    if (this.phase === 'join') this.join(shard)
    else if (this.phase === 'joining' && this.joining!.done) this.joined(this.joining!.answer, shard)
    else if (this.phase === 'sync') this.sync(shard)
    else if (this.phase === 'syncing' && this.syncing!.done) this.synced(this.syncing!.answer)
    else if (this.phase === 'stable') this.beat(shard)
  }

  /** Its connection is lost, and with it what it waits for. */
  disconnect(): void {
    if (this.phase !== 'stable') this.phase = 'join'
    this.joining = undefined
    this.syncing = undefined
  }

  subscribe(topics: readonly string[]): void {
    this.topics = topics
    if (this.phase === 'stable') this.phase = 'join'
  }

  private join(shard: MigrationShard): void {
    if (!this.cooperative) this.owned.clear()
    const metadata = subscribed(this.topics, listed(this.owned), this.cooperative ? 3 : 0)
    this.joining = shard.join({
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      protocols: this.protocols.map(name => ({ name, metadata })),
      rebalanceTimeoutMs: 30_000,
    })
    this.phase = 'joining'
  }

  private joined(answer: JoinAnswer, shard: MigrationShard): void {
    this.joining = undefined
    switch (answer.errorCode) {
      case ErrorCode.NONE:
        this.memberId = answer.memberId
        this.generation = answer.generationId!
        this.protocolName = answer.protocolName!
        this.phase = 'sync'
        this.sawTopics = answer.leader === this.memberId ? shard.topics.version : undefined
        this.assignments = this.sawTopics !== undefined && !answer.skipAssignment ? this.lead(answer, shard) : []
        return
      case ErrorCode.MEMBER_ID_REQUIRED:
        this.memberId = answer.memberId
        this.phase = 'join'
        return
      default:
        this.failed(answer.errorCode)
    }
  }

  private sync(shard: MigrationShard): void {
    this.syncing = shard.sync({
      memberId: this.memberId,
      generationId: this.generation,
      groupInstanceId: this.instanceId,
      protocolName: this.protocolName,
      assignments: this.assignments ?? [],
    })
    this.phase = 'syncing'
  }

  private synced(answer: SyncAnswer): void {
    this.syncing = undefined
    if (answer.errorCode !== ErrorCode.NONE) {
      this.failed(answer.errorCode)
      return
    }
    const assignment = decodeAssignment(answer.assignment)
    assert.ok(assignment.ok, 'the coordinator gives assignments that can be read')
    const assigned = new Set(
      assignment.value.assignedPartitions.flatMap(({ topic, partitions }) =>
        partitions.map(each => `${topic}-${each}`),
      ),
    )
    const gaveUp = [...this.owned].some(partition => !assigned.has(partition))
    this.owned = assigned
    this.phase = this.cooperative && gaveUp ? 'join' : 'stable'
  }

  private beat(shard: MigrationShard): void {
    const errorCode = shard.heartbeat(this.memberId, this.generation, this.instanceId)
    if (errorCode !== ErrorCode.NONE) this.failed(errorCode)
    else if (this.sawTopics !== undefined && this.sawTopics !== shard.topics.version) this.phase = 'join'
  }

  private failed(errorCode: ErrorCode): void {
    this.phase = 'join'
    switch (errorCode) {
      case ErrorCode.REBALANCE_IN_PROGRESS:
        return
      case ErrorCode.UNKNOWN_MEMBER_ID:
        this.memberId = ''
        this.generation = -1
        this.owned.clear()
        return
      case ErrorCode.ILLEGAL_GENERATION:
        this.generation = -1
        this.owned.clear()
        return
      case ErrorCode.FENCED_INSTANCE_ID:
        this.ended = true
        this.owned.clear()
        return
      default:
        assert.fail(`a classic member is told ${errorCode}`)
    }
  }

  /** Assigns as sticky as can be; a cooperative leader holds back what another member still has. */
  private lead({ members }: JoinAnswer, { topics }: MigrationShard): Assignments {
    const input = new Map<string, AssignmentMember>()
    const owners = new Map<string, Set<string>>()
    for (const { memberId, metadata } of members) {
      const subscription = decodeSubscription(metadata)
      assert.ok(subscription.ok, 'members say what they subscribe to')
      const { ownedPartitions } = subscription.value
      for (const { topic, partitions } of ownedPartitions) {
        for (const each of partitions)
          owners.set(`${topic}-${each}`, (owners.get(`${topic}-${each}`) ?? new Set()).add(memberId))
      }
      input.set(memberId, {
        subscribedTopicIds: new Set(subscription.value.topics.flatMap(name => topics.topic(name)?.id ?? [])),
        rackId: null,
        instanceId: null,
        assigned: partitionsById(ownedPartitions, topics),
      })
    }
    const assignment = assignorNamed('uniform')!.assign({
      members: input,
      homogeneous: false,
      partitionCount: id => topics.topicById(id)?.partitions ?? 0,
    })
    return [...input.keys()].map(memberId => {
      const given = partitionsByName(assignment.get(memberId) ?? noPartitions, topics).map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.filter(each => {
          const others = [...(owners.get(`${topic}-${each}`) ?? [])].filter(owner => owner !== memberId)
          return !this.cooperative || others.length === 0
        }),
      }))
      return { memberId, assignment: encodeAssignment(this.cooperative ? 3 : 0, given) }
    })
  }
}

function listed(owned: ReadonlySet<string>): { topic: string; partitions: number[] }[] {
  const byTopic = new Map<string, number[]>()
  for (const each of owned) {
    const dash = each.lastIndexOf('-')
    const topic = each.slice(0, dash)
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), Number(each.slice(dash + 1))])
  }
  return [...byTopic].map(([topic, partitions]) => ({ topic, partitions }))
}
