import assert from 'node:assert/strict'
import {
  decodeAssignment,
  encodeAssignment,
  encodeSubscription,
  type TopicPartitionsByName,
} from '../../src/coordinator/group/consumer-protocol.ts'
import { ErrorCode, type RequestInput, type ResponseOf } from '../../src/protocol/index.ts'
import { heartbeat } from '../../src/protocol/schema/heartbeat.ts'
import { joinGroup } from '../../src/protocol/schema/join-group.ts'
import { leaveGroup } from '../../src/protocol/schema/leave-group.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { offsetFetch } from '../../src/protocol/schema/offset-fetch.ts'
import { syncGroup } from '../../src/protocol/schema/sync-group.ts'
import { RawClient } from './raw-client.ts'

/** The versions that a client of some age speaks. */
export interface GroupVersions {
  readonly join: number
  readonly sync: number
  readonly heartbeat: number
  readonly leave: number
  readonly commit: number
  readonly fetch: number
}

export const oldest: GroupVersions = { join: 0, sync: 0, heartbeat: 0, leave: 0, commit: 2, fetch: 1 }
export const middle: GroupVersions = { join: 4, sync: 2, heartbeat: 2, leave: 3, commit: 6, fetch: 5 }
export const newest: GroupVersions = { join: 9, sync: 5, heartbeat: 4, leave: 5, commit: 9, fetch: 9 }

type JoinAnswer = ResponseOf<typeof joinGroup>
const protocol = 'range'

/** A member of a classic group that says what it is told to, right or wrong. */
export class RawMember {
  memberId = ''
  generation = -1
  instanceId: string | null = null
  sessionTimeoutMs = 10_000
  readonly client: RawClient
  readonly groupId: string
  readonly versions: GroupVersions
  private readonly topic: string

  private constructor(client: RawClient, groupId: string, topic: string, versions: GroupVersions) {
    this.client = client
    this.groupId = groupId
    this.topic = topic
    this.versions = versions
  }

  static async open(
    address: { host: string; port: number },
    groupId: string,
    topic: string,
    versions: GroupVersions = newest,
  ): Promise<RawMember> {
    return new RawMember(await RawClient.open(address), groupId, topic, versions)
  }

  /** One JoinGroup, whatever it answers. */
  async tryJoin(more: Partial<RequestInput<typeof joinGroup>> = {}): Promise<JoinAnswer> {
    const { join } = this.versions
    return await this.client.request(joinGroup, join, {
      groupId: this.groupId,
      sessionTimeoutMs: this.sessionTimeoutMs,
      rebalanceTimeoutMs: this.sessionTimeoutMs,
      memberId: this.memberId,
      ...(join >= 5 ? { groupInstanceId: this.instanceId } : {}),
      protocolType: 'consumer',
      protocols: [{ name: protocol, metadata: encodeSubscription(0, { topics: [this.topic], userData: null }) }],
      ...more,
    })
  }

  /** Joins, with the id that it is told to come back with, or a new one where its own is not known any more. */
  async join(): Promise<JoinAnswer> {
    for (;;) {
      const answer = await this.tryJoin()
      this.memberId = answer.errorCode === ErrorCode.UNKNOWN_MEMBER_ID ? '' : answer.memberId
      if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED || this.memberId === '') continue
      assert.equal(answer.errorCode, ErrorCode.NONE)
      this.generation = answer.generationId
      return answer
    }
  }

  /**
   * What it is assigned; undefined when it has to join again. As the leader of `members` it gives partition i to the i-th.
   */
  async sync(members: readonly { memberId: string }[]): Promise<readonly TopicPartitionsByName[] | undefined> {
    const assignments = members.map(({ memberId }, partition) => ({
      memberId,
      assignment: encodeAssignment(0, [{ topic: this.topic, partitions: [partition] }]),
    }))
    const { errorCode, assignment } = await this.trySync(assignments)
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS || errorCode === ErrorCode.UNKNOWN_MEMBER_ID) return undefined
    assert.equal(errorCode, ErrorCode.NONE)
    const decoded = decodeAssignment(assignment)
    assert.ok(decoded.ok)
    return decoded.value.assignedPartitions
  }

  trySync(assignments: RequestInput<typeof syncGroup>['assignments'] = []): Promise<ResponseOf<typeof syncGroup>> {
    const { sync } = this.versions
    return this.client.request(syncGroup, sync, {
      groupId: this.groupId,
      generationId: this.generation,
      memberId: this.memberId,
      ...(sync >= 3 ? { groupInstanceId: this.instanceId } : {}),
      ...(sync >= 5 ? { protocolType: 'consumer', protocolName: protocol } : {}),
      assignments,
    })
  }

  async heartbeat(): Promise<ErrorCode> {
    const { groupId, generation: generationId, memberId } = this
    const version = this.versions.heartbeat
    const instance = version >= 3 ? { groupInstanceId: this.instanceId } : {}
    const answer = await this.client.request(heartbeat, version, { groupId, generationId, memberId, ...instance })
    return answer.errorCode
  }

  async leave(): Promise<ErrorCode> {
    const { groupId, memberId } = this
    const version = this.versions.leave
    const body = version < 3 ? { groupId, memberId } : { groupId, members: [{ memberId }] }
    const answer = await this.client.request(leaveGroup, version, body)
    return answer.errorCode === ErrorCode.NONE ? (answer.members[0]?.errorCode ?? ErrorCode.NONE) : answer.errorCode
  }

  async commit(partition: number, committedOffset: number, committedMetadata: string | null = ''): Promise<ErrorCode> {
    const answer = await this.client.request(offsetCommit, this.versions.commit, {
      groupId: this.groupId,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      ...(this.versions.commit >= 7 ? { groupInstanceId: this.instanceId } : {}),
      topics: [{ name: this.topic, partitions: [{ partitionIndex: partition, committedOffset, committedMetadata }] }],
    })
    return answer.topics[0]!.partitions[0]!.errorCode
  }

  /** The committed offsets of the first `partitions` partitions; waits while the group is being loaded. */
  async committed(partitions: number): Promise<number[]> {
    for (;;) {
      const [errorCode, offsets] = await this.fetch(Array.from({ length: partitions }, (_, partition) => partition))
      if (errorCode === ErrorCode.NONE) return offsets
      assert.equal(errorCode, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    }
  }

  private async fetch(partitionIndexes: number[]): Promise<[ErrorCode, number[]]> {
    const { groupId, topic } = this
    const version = this.versions.fetch
    const topics = [{ name: topic, partitionIndexes }]
    if (version < 8) {
      const answer = await this.client.request(offsetFetch, version, { groupId, topics })
      const { partitions } = answer.topics[0]!
      const errorCode = version < 2 ? partitions[0]!.errorCode : answer.errorCode
      return [errorCode, partitions.map(each => Number(each.committedOffset))]
    }
    const answer = await this.client.request(offsetFetch, version, { groups: [{ groupId, topics }] })
    const [group] = answer.groups
    const offsets = group!.topics[0]?.partitions.map(each => Number(each.committedOffset)) ?? []
    return [group!.errorCode, offsets]
  }

  destroy(): void {
    this.client.destroy()
  }
}
