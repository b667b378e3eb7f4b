import type { ErrorCode, RequestOf, ResponseInput } from '../../../protocol/index.ts'
import type { consumerGroupDescribe } from '../../../protocol/schema/consumer-group-describe.ts'
import type { consumerGroupHeartbeat } from '../../../protocol/schema/consumer-group-heartbeat.ts'
import type { CoordinatorRecord } from '../../runtime/record.ts'
import type { Asker, Turn } from '../../runtime/shard.ts'
import type { ClientInfo, GroupContext } from '../group.ts'
import type { ClassicJoin, ConsumerSide, Migration } from '../migration/migration.ts'
import type { ConsumerGroup } from './consumer-group.ts'
import type { ConsumerGroupMember } from './member.ts'

export type HeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>
export type HeartbeatResponse = ResponseInput<typeof consumerGroupHeartbeat>
export type DescribedConsumerGroup = ResponseInput<typeof consumerGroupDescribe>['groups'][number]

/** The KIP-848 groups of one shard. */
export declare class ConsumerGroups implements ConsumerSide {
  constructor(context: GroupContext, migration: Migration)
  heartbeat(request: HeartbeatRequest, client: ClientInfo, asker: Asker<HeartbeatResponse>, turn: Turn): void
  /** An entry of ConsumerGroupDescribe's response; GROUP_ID_NOT_FOUND in it for what is no KIP-848 group. */
  describe(groupId: string): DescribedConsumerGroup
  /** Whether the record was one of a KIP-848 group. */
  replay(record: CoordinatorRecord): boolean
  loaded(turn: Turn): void
  /** These topics came, went or changed. */
  topicsChanged(turn: Turn, names: ReadonlySet<string>): void

  groupOf(groupId: string): ConsumerGroup | undefined
  refuseClassicJoin(
    group: ConsumerGroup,
    join: Pick<ClassicJoin, 'memberId' | 'instanceId' | 'replacesStatic'>,
  ): ErrorCode
  joinClassic(group: ConsumerGroup, join: ClassicJoin, turn: Turn): ConsumerGroupMember
  removeMembers(group: ConsumerGroup, memberIds: readonly string[], turn: Turn): void
  startSession(group: ConsumerGroup, memberId: string, timeoutMs: number, turn: Turn): void
  releaseTimers(group: ConsumerGroup, turn: Turn): void
}
