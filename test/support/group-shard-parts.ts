import type { GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import type { GroupShardParts } from '../../src/coordinator/group/group-shard.ts'
import type { TopicFacts, TopicsView } from '../../src/coordinator/group/topics-view.ts'
import { type Uuid, uuidFromBytes } from '../../src/protocol/index.ts'

/** Kafka's defaults. */
export const defaultGroupSettings: GroupSettings = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  maxSize: 2_147_483_647,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 604_800_000,
  offsetsRetentionCheckMs: 600_000,
  consumerAssignors: ['uniform', 'range'],
  consumerMaxSize: 2_147_483_647,
  consumerMigration: 'bidirectional',
  consumerRegexRefreshMs: 600_000,
  consumer: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000, assignmentIntervalMs: 1_000 }),
}

/** The topics of a test; put and remove what the groups are to see. */
export class TestTopics implements TopicsView {
  version = 0
  private readonly byName = new Map<string, TopicFacts>()

  constructor(topics: readonly TopicFacts[]) {
    for (const topic of topics) this.put(topic)
  }

  put(topic: TopicFacts): void {
    this.byName.set(topic.name, topic)
    this.version++
  }

  remove(name: string): void {
    this.byName.delete(name)
    this.version++
  }

  topic(name: string): TopicFacts | undefined {
    return this.byName.get(name)
  }

  topicById(id: Uuid): TopicFacts | undefined {
    return [...this.byName.values()].find(topic => topic.id === id)
  }

  topics(): Iterable<TopicFacts> {
    return this.byName.values()
  }
}

/** A topic with an id that is made of its name. */
export function topicNamed(name: string, partitions: number): TopicFacts {
  const bytes = new Uint8Array(16)
  new TextEncoder().encodeInto(name, bytes)
  bytes[15] = 1
  return { name, id: uuidFromBytes(bytes, 0), partitions }
}

/** What a shard of a test is made with; member ids count up. */
export function groupShardParts(
  topics: readonly TopicFacts[] | TopicsView,
  settings: Partial<GroupSettings> = {},
): GroupShardParts {
  let members = 0
  return {
    topics: 'topic' in topics ? topics : new TestTopics(topics),
    settings: { ...defaultGroupSettings, ...settings },
    logger: { info() {}, warn() {}, error() {} },
    newMemberId: prefix => (prefix === undefined ? `m${++members}` : `${prefix}-m${++members}`),
  }
}
