import { ErrorCode } from '../../../protocol/index.ts'
import type { Turn } from '../../runtime/shard.ts'
import { consumerProtocolType } from '../consumer-protocol.ts'
import type { GroupContext } from '../group.ts'
import { ClassicMembers } from './classic-members.ts'
import { classicStateOf, consumerGroupRecords, consumerMembersOf } from './conversion.ts'
import type {
  ClassicApis,
  ClassicGroupState,
  ClassicSide,
  ConsumerSide,
  JoiningMember,
  Migration,
  MixedGroup,
} from './migration.ts'

const upgrades: ReadonlySet<string> = new Set(['upgrade', 'bidirectional'])
const downgrades: ReadonlySet<string> = new Set(['downgrade', 'bidirectional'])

type Join = ClassicApis['join']
type Sync = ClassicApis['sync']
type Heartbeat = ClassicApis['heartbeat']
type Leave = ClassicApis['leave']

/**
 * Where both protocols meet: makes a classic group a KIP-848 one when its first KIP-848 member comes, and a classic one again
 * when the last has gone, each in one turn; and sends requests of the classic protocol to the half that has the group.
 */
export class GroupMigration implements Migration, ClassicApis {
  private readonly context: GroupContext
  private readonly classic: ClassicSide
  private readonly consumer: () => ConsumerSide
  private readonly members: ClassicMembers

  /** `consumer` is called with requests only: it is made with this one. */
  constructor(context: GroupContext, classic: ClassicSide, consumer: () => ConsumerSide) {
    this.context = context
    this.classic = classic
    this.consumer = consumer
    this.members = new ClassicMembers(context, consumer, (group, ...request) => this.rejoinAsClassic(group, ...request))
  }

  readonly join: Join = (request, client, asker, turn) => {
    const group = this.consumer().groupOf(request.groupId)
    if (group !== undefined && !group.isEmpty) this.members.join(group, request, client, asker, turn)
    else {
      if (group !== undefined) this.releaseTimers(group, turn)
      this.classic.join(request, client, asker, turn)
    }
  }

  readonly sync: Sync = (request, client, asker, turn) => {
    const group = this.consumer().groupOf(request.groupId)
    if (group !== undefined) this.members.sync(group, request, client, asker, turn)
    else this.classic.sync(request, client, asker, turn)
  }

  readonly heartbeat: Heartbeat = (request, client, asker, turn) => {
    const group = this.consumer().groupOf(request.groupId)
    if (group !== undefined) this.members.heartbeat(group, request, asker, turn)
    else this.classic.heartbeat(request, client, asker, turn)
  }

  readonly leave: Leave = (request, client, asker, turn) => {
    const group = this.consumer().groupOf(request.groupId)
    if (group !== undefined) this.members.leave(group, request, client, asker, turn)
    else this.classic.leave(request, client, asker, turn)
  }

  upgrade(groupId: string, joining: JoiningMember, turn: Turn): ErrorCode {
    const state = this.classic.stateOf(groupId)
    const group = this.context.groups.get(groupId)
    if (state === undefined || group === undefined) return ErrorCode.NONE
    const tombstones = group.tombstones()
    if (group.isEmpty) {
      this.classic.release(groupId, turn)
      turn.append(...tombstones)
      return ErrorCode.NONE
    }
    const refused = this.refuseUpgrade(state, joining)
    if (refused !== ErrorCode.NONE) return refused
    const members = consumerMembersOf(state, this.context.topics)
    if (!members.ok) {
      this.context.logger.warn(
        { group: groupId, error: members.error },
        'a classic group cannot become a KIP-848 group',
      )
      return ErrorCode.GROUP_ID_NOT_FOUND
    }
    const records = consumerGroupRecords(groupId, state.generation, members.value)
    if (!turn.fits(...tombstones, ...records)) {
      this.context.logger.warn({ group: groupId }, 'a classic group is too large to become a KIP-848 group')
      return ErrorCode.GROUP_ID_NOT_FOUND
    }
    this.classic.release(groupId, turn)
    turn.append(...tombstones, ...records)
    const upgraded = this.consumer().groupOf(groupId)!
    for (const { memberId, sessionTimeoutMs } of state.members) {
      this.consumer().startSession(upgraded, memberId, sessionTimeoutMs, turn)
    }
    this.context.logger.info(
      { group: groupId, members: state.members.length, epoch: state.generation },
      'a classic group is a KIP-848 group now',
    )
    return ErrorCode.NONE
  }

  downgradeIfDue(group: MixedGroup, leavingMemberIds: readonly string[], turn: Turn): boolean {
    const state = this.classicStateIfDue(group, new Set(leavingMemberIds), turn)
    if (state === undefined) return false
    this.downgrade(group, state, turn)
    return true
  }

  forget(groupId: string, memberId: string, turn: Turn): void {
    this.members.forget(groupId, memberId, turn)
  }

  private refuseUpgrade({ protocolType, members }: ClassicGroupState, joining: JoiningMember): ErrorCode {
    const { consumerMigration, consumerMaxSize } = this.context.settings
    // As Kafka: to the newer protocol, a group that cannot be converted is one that is not there.
    if (!upgrades.has(consumerMigration)) return ErrorCode.GROUP_ID_NOT_FOUND
    if (protocolType !== consumerProtocolType) return ErrorCode.GROUP_ID_NOT_FOUND
    if (members.length > consumerMaxSize) return ErrorCode.GROUP_ID_NOT_FOUND
    const hasPlace = members.some(
      ({ memberId, instanceId }) =>
        memberId === joining.memberId || (instanceId !== null && instanceId === joining.instanceId),
    )
    return members.length < consumerMaxSize || hasPlace ? ErrorCode.NONE : ErrorCode.GROUP_MAX_SIZE_REACHED
  }

  /** The group as a classic one, if it has to be one without those members. */
  private classicStateIfDue(
    group: MixedGroup,
    leaving: ReadonlySet<string>,
    turn: Turn,
  ): ClassicGroupState | undefined {
    for (const [memberId, { classic }] of group.members) {
      if (classic === null && !leaving.has(memberId)) return undefined
    }
    const { consumerMigration, maxSize } = this.context.settings
    if (!downgrades.has(consumerMigration)) return undefined
    const state = classicStateOf(group, leaving, this.context.topics)
    if (state === undefined || state.members.length === 0 || state.members.length > maxSize) return undefined
    return turn.fits(...group.tombstones()) ? state : undefined
  }

  private downgrade(group: MixedGroup, state: ClassicGroupState, turn: Turn): void {
    this.releaseTimers(group, turn)
    turn.append(...group.tombstones())
    this.classic.adopt(state, true, turn)
    this.context.logger.info(
      { group: state.groupId, members: state.members.length, generation: state.generation },
      'a KIP-848 group is a classic group now',
    )
  }

  /**
   * A static member of the classic protocol took the place of the group's last KIP-848 member: its request joins the classic
   * group's first rebalance. Kafka goes on without one, and until the next nobody knows that they lead, so that nobody sees
   * partitions that are added.
   */
  private rejoinAsClassic(group: MixedGroup, ...request: Parameters<Join>): boolean {
    const turn = request[3]
    const state = this.classicStateIfDue(group, new Set(), turn)
    if (state === undefined) return false
    this.downgrade(group, state, turn)
    this.classic.join(...request)
    return true
  }

  private releaseTimers(group: MixedGroup, turn: Turn): void {
    for (const memberId of group.members.keys()) this.members.forget(group.id, memberId, turn)
    this.consumer().releaseTimers(group, turn)
  }
}
