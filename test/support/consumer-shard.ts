import { silentLogger } from '../../src/base/logger.ts'
import type { ConsumerGroup } from '../../src/coordinator/group/consumer/consumer-group.ts'
import { ConsumerGroups, type HeartbeatResponse } from '../../src/coordinator/group/consumer/consumer-groups.ts'
import type { HeartbeatRequest } from '../../src/coordinator/group/consumer/refusals.ts'
import type { ClientInfo, Group, GroupContext } from '../../src/coordinator/group/group.ts'
import type { ConsumerGroupSettings, GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import type { Migration } from '../../src/coordinator/group/migration/migration.ts'
import type { TopicFacts, TopicsView } from '../../src/coordinator/group/topics-view.ts'
import type { CoordinatorRecord } from '../../src/coordinator/runtime/record.ts'
import type { Shard, Turn } from '../../src/coordinator/runtime/shard.ts'
import { ErrorCode, type Uuid, uuidFromBytes } from '../../src/protocol/index.ts'
import { ShardTurns } from './shard-turns.ts'

/** Topics that a test makes, changes and deletes. */
export class TestTopics implements TopicsView {
  version = 0
  private readonly byName = new Map<string, TopicFacts>()
  private readonly byId = new Map<Uuid, TopicFacts>()
  private made = 0

  /** Makes the topic anew, or gives one that is there more partitions. */
  put(name: string, partitions: number): Uuid {
    const id =
      this.byName.get(name)?.id ??
      uuidFromBytes(Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? ++this.made : at)))
    const topic = { name, id, partitions }
    this.byName.set(name, topic)
    this.byId.set(id, topic)
    this.version++
    return id
  }

  remove(name: string): void {
    const topic = this.byName.get(name)
    if (topic === undefined) return
    this.byName.delete(name)
    this.byId.delete(topic.id)
    this.version++
  }

  topic(name: string): TopicFacts | undefined {
    return this.byName.get(name)
  }

  topicById(id: Uuid): TopicFacts | undefined {
    return this.byId.get(id)
  }

  topics(): Iterable<TopicFacts> {
    return this.byName.values()
  }
}

export interface ConsumerShardOptions {
  readonly settings?: Partial<GroupSettings>
  readonly group?: Partial<ConsumerGroupSettings>
  readonly migration?: Partial<Migration>
}

const client: ClientInfo = { clientId: 'client', clientHost: '/127.0.0.1', apiVersion: 1 }

/** The KIP-848 groups of a shard by themselves, on the virtual clock of `ShardTurns`. */
export class ConsumerShard implements Shard {
  readonly topics: TestTopics
  readonly options: ConsumerShardOptions
  readonly groups = new Map<string, Group>()
  readonly consumers: ConsumerGroups
  turns: ShardTurns
  private ids = 0

  constructor(options: ConsumerShardOptions = {}, topics = new TestTopics()) {
    this.options = options
    this.topics = topics
    const groupSettings = { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000, assignmentIntervalMs: 0 }
    const context: GroupContext = {
      groups: this.groups,
      topics,
      settings: {
        minSessionTimeoutMs: 6_000,
        maxSessionTimeoutMs: 1_800_000,
        initialRebalanceDelayMs: 0,
        maxSize: 1_000,
        offsetMetadataMaxBytes: 4_096,
        offsetsRetentionMs: 1,
        offsetsRetentionCheckMs: 1,
        consumerAssignors: ['uniform', 'range'],
        consumerMaxSize: 1_000,
        consumerMigration: 'bidirectional',
        consumerRegexRefreshMs: 600_000,
        consumer: () => ({ ...groupSettings, ...options.group }),
        ...options.settings,
      },
      logger: silentLogger,
      newMemberId: () => `made-${++this.ids}`,
    }
    const migration: Migration = {
      upgrade: () => ErrorCode.GROUP_ID_NOT_FOUND,
      downgradeIfDue: () => false,
      forget: () => undefined,
      ...options.migration,
    }
    this.consumers = new ConsumerGroups(context, migration)
    this.turns = new ShardTurns(this)
  }

  /** Another shard that has the same log and nothing else: what a start makes of it. */
  restarted(): ConsumerShard {
    const other = new ConsumerShard(this.options, this.topics)
    other.turns = ShardTurns.replaying(other, this.turns.log, this.turns.nowMs)
    return other
  }

  replay(record: CoordinatorRecord): void {
    if (!this.consumers.replay(record)) throw new Error(`${record.schema.name} is no record of a consumer group`)
  }
  replayTransactionEnd(): void {}
  loaded(turn: Turn): void {
    this.consumers.loaded(turn)
  }

  heartbeat(request: Partial<HeartbeatRequest>, from: Partial<ClientInfo> = {}): HeartbeatResponse {
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
    return this.turns.ask<HeartbeatResponse>((turn, asker) =>
      this.consumers.heartbeat(whole, { ...client, ...from }, asker, turn),
    ).answer
  }

  join(memberId: string, request: Partial<HeartbeatRequest> = {}): HeartbeatResponse {
    const first = { rebalanceTimeoutMs: 60_000, subscribedTopicNames: ['t'], topicPartitions: [] }
    return this.heartbeat({ memberId, ...first, ...request })
  }

  topicsChanged(...names: string[]): void {
    this.turns.run(turn => this.consumers.topicsChanged(turn, new Set(names)))
  }

  group(groupId = 'g'): ConsumerGroup {
    return this.consumers.groupOf(groupId)!
  }
}

/** Makes a batch so small that some of what a group decides does not fit into one: `bytes` of JSON. */
export function limitBatches(shard: ConsumerShard, bytes: number): void {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
  shard.turns.sizeOf = ({ value }) => JSON.stringify(value, plain).length
  shard.turns.maxRecordBytes = bytes
}
