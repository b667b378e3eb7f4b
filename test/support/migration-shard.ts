import type { ConsumerGroup } from '../../src/coordinator/group/consumer/consumer-group.ts'
import type { HeartbeatResponse } from '../../src/coordinator/group/consumer/consumer-groups.ts'
import type { HeartbeatRequest } from '../../src/coordinator/group/consumer/refusals.ts'
import { encodeSubscription, type TopicPartitionsByName } from '../../src/coordinator/group/consumer-protocol.ts'
import type { Group } from '../../src/coordinator/group/group.ts'
import type { GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import { GroupShard } from '../../src/coordinator/group/group-shard.ts'
import type { FetchedGroupAnswer } from '../../src/coordinator/group/offsets/group-offsets.ts'
import type { CoordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../../src/protocol/index.ts'
import type { heartbeat } from '../../src/protocol/schema/heartbeat.ts'
import type { joinGroup } from '../../src/protocol/schema/join-group.ts'
import type { leaveGroup } from '../../src/protocol/schema/leave-group.ts'
import type { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import type { syncGroup } from '../../src/protocol/schema/sync-group.ts'
import { groupShardParts, type TestTopics } from './group-shard-parts.ts'
import { ShardTurns, type TestAsker } from './shard-turns.ts'

export type JoinRequest = RequestOf<typeof joinGroup>
export type JoinAnswer = ResponseInput<typeof joinGroup>
export type SyncAnswer = ResponseInput<typeof syncGroup>

export const noAssignments: RequestOf<typeof syncGroup>['assignments'] = []

const from = (apiVersion: number) => ({ clientId: 'client', clientHost: '/127.0.0.1', apiVersion })

/** What a classic consumer says of itself: version 3, or what it is asked to write. */
export function subscribed(
  topics: readonly string[],
  ownedPartitions: readonly TopicPartitionsByName[] = [],
  version = 3,
): Uint8Array {
  const owned = ownedPartitions.map(({ topic, partitions }) => ({ topic, partitions: [...partitions] }))
  return encodeSubscription(version, { topics: [...topics], ownedPartitions: version === 0 ? [] : owned })
}

/** A whole shard, asked what members of one group `g` ask by either protocol. */
export class MigrationShard {
  readonly topics: TestTopics
  readonly settings: Partial<GroupSettings>
  readonly shard: GroupShard
  readonly turns: ShardTurns
  private readonly starts: number

  constructor(
    topics: TestTopics,
    settings: Partial<GroupSettings> = {},
    log: readonly CoordinatorRecord[] = [],
    nowMs = 0,
    starts = 0,
  ) {
    this.topics = topics
    this.settings = settings
    this.starts = starts
    const parts = groupShardParts(topics, settings)
    this.shard = new GroupShard({ ...parts, newMemberId: prefix => `${parts.newMemberId(prefix)}.${starts}` })
    this.turns = ShardTurns.replaying(this.shard, log, nowMs)
  }

  /** What a start makes of the log, or of its first `records`; no id is given out again. */
  restarted(records = this.turns.log.length): MigrationShard {
    const log = this.turns.log.slice(0, records)
    return new MigrationShard(this.topics, this.settings, log, this.turns.nowMs, this.starts + 1)
  }

  group(): Group | undefined {
    return (Reflect.get(this.shard, 'groups') as ReadonlyMap<string, Group>).get('g')
  }

  consumerGroup(): ConsumerGroup {
    const group = this.group()
    if (group?.type !== 'consumer') throw new Error(`the group is ${group?.type}`)
    return group as ConsumerGroup
  }

  join(fields: Partial<JoinRequest>, version = 9): TestAsker<JoinAnswer> {
    const request: JoinRequest = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscribed(['t']) }],
      reason: null,
      ...fields,
    }
    return this.turns.ask((turn, asker) => this.shard.join(request, from(version), asker, turn))
  }

  sync(fields: Partial<RequestOf<typeof syncGroup>>, version = 5): TestAsker<SyncAnswer> {
    const request = {
      groupId: 'g',
      generationId: 0,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: noAssignments,
      ...fields,
    }
    return this.turns.ask((turn, asker) => this.shard.sync(request, from(version), asker, turn))
  }

  heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): ErrorCode {
    const request = { groupId: 'g', memberId, generationId, groupInstanceId }
    return this.turns.ask<ResponseInput<typeof heartbeat>>((turn, asker) =>
      this.shard.heartbeat(request, from(4), asker, turn),
    ).answer.errorCode
  }

  leave(
    members: readonly { readonly memberId: string; readonly groupInstanceId?: string }[],
    version = 5,
  ): ResponseInput<typeof leaveGroup> {
    const named = members.map(({ memberId, groupInstanceId = null }) => ({ memberId, groupInstanceId, reason: null }))
    const request = { groupId: 'g', memberId: members[0]!.memberId, members: named }
    return this.turns.ask<ResponseInput<typeof leaveGroup>>((turn, asker) =>
      this.shard.leave(request, from(version), asker, turn),
    ).answer
  }

  consumerHeartbeat(request: Partial<HeartbeatRequest>): HeartbeatResponse {
    const whole: HeartbeatRequest = {
      groupId: 'g',
      memberId: '',
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
      ...request,
    }
    return this.turns.ask<HeartbeatResponse>((turn, asker) => this.shard.consumerHeartbeat(whole, from(1), asker, turn))
      .answer
  }

  /** A KIP-848 member's first heartbeat. */
  consumerJoin(memberId: string, request: Partial<HeartbeatRequest> = {}): HeartbeatResponse {
    return this.consumerHeartbeat({
      memberId,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['t'],
      topicPartitions: [],
      ...request,
    })
  }

  /** Commits one offset of partition `partition` of `topic` as this member. */
  commit(memberId: string, generation: number, topic: string, partition: number, offset: number): ErrorCode {
    const request: RequestOf<typeof offsetCommit> = {
      groupId: 'g',
      generationIdOrMemberEpoch: generation,
      memberId,
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: topic,
          topicId: this.topics.topic(topic)!.id,
          partitions: [
            { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' },
          ],
        },
      ],
    }
    const { answer } = this.turns.ask<ResponseInput<typeof offsetCommit>>((turn, asker) =>
      this.shard.commitOffsets(request, from(9), asker, turn),
    )
    return answer.topics[0]!.partitions[0]!.errorCode
  }

  /** All committed offsets: `t-0` → 5. */
  committed(): Map<string, number> {
    const group = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null }
    const { answer } = this.turns.ask<FetchedGroupAnswer>((turn, asker) =>
      this.shard.fetchOffsets(group, false, from(9), asker, turn),
    )
    if (answer.errorCode !== ErrorCode.NONE) throw new Error(`offsets are refused with ${answer.errorCode}`)
    return new Map(
      (answer.topics ?? []).flatMap(({ name, partitions = [] }) =>
        partitions.map(each => [`${name}-${each.partitionIndex}`, each.committedOffset!] as const),
      ),
    )
  }
}
