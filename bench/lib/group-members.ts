import { setTimeout as sleep } from 'node:timers/promises'
import { ErrorCode, encodeVersioned, errorName, type Uuid, Writer } from '../../src/protocol/index.ts'
import { consumerGroupHeartbeat } from '../../src/protocol/schema/consumer-group-heartbeat.ts'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../src/protocol/schema/consumer-protocol.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { findCoordinator } from '../../src/protocol/schema/find-coordinator.ts'
import { heartbeat } from '../../src/protocol/schema/heartbeat.ts'
import { joinGroup } from '../../src/protocol/schema/join-group.ts'
import { leaveGroup } from '../../src/protocol/schema/leave-group.ts'
import { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import { syncGroup } from '../../src/protocol/schema/sync-group.ts'
import { encodeRequest } from '../../test/integration/raw-client.ts'
import { GroupConnection } from './group-connection.ts'

/** How often a member that waits for a change asks; clients ask less often, and find out as much later. */
const askMs = 50
const retryMs = 20
const sessionTimeoutMs = 45_000
const rebalanceTimeoutMs = 60_000
const protocol = { name: 'range', type: 'consumer' }

const encoded = (write: (writer: Writer) => void): Uint8Array => {
  const writer = new Writer(256)
  write(writer)
  return writer.written().slice()
}

export const makeTopic = async (address: string, name: string, partitions: number): Promise<Uuid> => {
  const connection = await GroupConnection.open(address)
  const { topics } = await connection.request(createTopics, 7, {
    topics: [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 60_000,
  })
  connection.close()
  const { errorCode, topicId } = topics[0]!
  if (errorCode !== ErrorCode.NONE) throw new Error(`topic ${name}: ${errorName(errorCode)}`)
  return topicId
}

/** Asks until the group's coordinator is there. */
export const awaitCoordinator = async (address: string, groupId: string): Promise<void> => {
  const connection = await GroupConnection.open(address)
  for (;;) {
    const { coordinators } = await connection.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] })
    if (coordinators[0]?.errorCode === ErrorCode.NONE) break
    await sleep(retryMs)
  }
  connection.close()
}

const retried = new Set<ErrorCode>([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
])

/** One consumer of a classic group, as its coordinator sees it. */
export class ClassicMember {
  readonly groupId: string
  readonly topic: string
  memberId = ''
  generation = -1
  /** Of the topic. */
  partitions: readonly number[] = []
  private readonly connection: GroupConnection
  private readonly topicPartitions: number

  constructor(connection: GroupConnection, groupId: string, topic: string, topicPartitions: number) {
    this.connection = connection
    this.groupId = groupId
    this.topic = topic
    this.topicPartitions = topicPartitions
  }

  /** Joins, or joins again; resolves once it has its assignment. */
  async join(): Promise<void> {
    const metadata = encoded(writer =>
      encodeVersioned(writer, consumerProtocolSubscription, 0, { topics: [this.topic], userData: null }),
    )
    for (;;) {
      const joined = await this.connection.request(joinGroup, 5, {
        groupId: this.groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.memberId,
        groupInstanceId: null,
        protocolType: protocol.type,
        protocols: [{ name: protocol.name, metadata }],
      })
      this.memberId = joined.memberId
      if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) continue
      if (retried.has(joined.errorCode)) {
        await sleep(retryMs)
        continue
      }
      if (joined.errorCode !== ErrorCode.NONE) throw new Error(`join: ${errorName(joined.errorCode)}`)
      this.generation = joined.generationId
      const members = joined.members.map(({ memberId }) => memberId)
      const synced = await this.connection.request(syncGroup, 3, {
        groupId: this.groupId,
        generationId: joined.generationId,
        memberId: joined.memberId,
        groupInstanceId: null,
        assignments: members.map((memberId, index) => ({ memberId, assignment: this.shareOf(index, members.length) })),
      })
      if (synced.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) continue
      if (synced.errorCode !== ErrorCode.NONE) throw new Error(`sync: ${errorName(synced.errorCode)}`)
      return
    }
  }

  /** Joins again whenever the group rebalances, until `isDone`. */
  async follow(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      if ((await this.heartbeat()) === ErrorCode.NONE) await sleep(askMs)
      else await this.join()
    }
  }

  async heartbeat(): Promise<ErrorCode> {
    const { groupId, generation, memberId } = this
    const request = { groupId, generationId: generation, memberId, groupInstanceId: null }
    return (await this.connection.request(heartbeat, 3, request)).errorCode
  }

  async leave(): Promise<void> {
    await this.connection.request(leaveGroup, 2, { groupId: this.groupId, memberId: this.memberId })
  }

  /** A commit's frame, to be sent again and again, and what its answer is when it went well. */
  commitFrame(partition: number): Uint8Array {
    return encodeRequest(offsetCommit, 7, 1, {
      groupId: this.groupId,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      groupInstanceId: null,
      topics: [
        {
          name: this.topic,
          partitions: [{ partitionIndex: partition, committedOffset: 1_000_000, committedMetadata: '' }],
        },
      ],
    })
  }

  heartbeatFrame(): Uint8Array {
    const { groupId, generation, memberId } = this
    return encodeRequest(heartbeat, 3, 1, { groupId, generationId: generation, memberId, groupInstanceId: null })
  }

  /** Throws unless the answer's last code says that it went well. */
  async send(frame: Uint8Array): Promise<void> {
    const body = await this.connection.exchange(frame)
    const code = body.readInt16BE(body.length - 2)
    if (code !== ErrorCode.NONE) throw new Error(`${this.groupId}: ${errorName(code)}`)
  }

  close(): void {
    this.connection.close()
  }

  /** Brings members into one generation. */
  static async together(members: readonly ClassicMember[]): Promise<void> {
    const isDone = (): boolean =>
      members.every(each => each.generation > 0 && each.generation === members[0]?.generation)
    await Promise.all(
      members.map(async member => {
        await member.join()
        await member.follow(isDone)
      }),
    )
  }

  private shareOf(index: number, members: number): Uint8Array {
    const from = Math.floor((this.topicPartitions * index) / members)
    const to = Math.floor((this.topicPartitions * (index + 1)) / members)
    const partitions = Array.from({ length: to - from }, (_, at) => from + at)
    return encoded(writer =>
      encodeVersioned(writer, consumerProtocolAssignment, 0, {
        assignedPartitions: [{ topic: this.topic, partitions }],
        userData: null,
      }),
    )
  }
}

/** One consumer of a KIP-848 group: takes what it is assigned at once, and gives up at once what it is to. */
export class ConsumerMember {
  owned: readonly number[] = []
  private epoch = 0
  private readonly memberId: string = crypto.randomUUID()
  private readonly connection: GroupConnection
  private readonly groupId: string
  private readonly topic: { readonly name: string; readonly id: Uuid }

  constructor(connection: GroupConnection, groupId: string, topic: { readonly name: string; readonly id: Uuid }) {
    this.connection = connection
    this.groupId = groupId
    this.topic = topic
  }

  async join(): Promise<void> {
    while (!(await this.beat(true))) await sleep(retryMs)
  }

  /** Tells the coordinator what it owns when that has changed. */
  async keepUp(): Promise<void> {
    const before = this.owned
    await this.beat(false)
    if (this.owned !== before) await this.beat(false, true)
  }

  async leave(): Promise<void> {
    this.epoch = -1
    await this.beat(false)
  }

  close(): void {
    this.connection.close()
  }

  /** False: not yet. */
  private async beat(joins: boolean, tells = false): Promise<boolean> {
    const owns = [{ topicId: this.topic.id, partitions: [...this.owned] }].filter(each => each.partitions.length > 0)
    const answer = await this.connection.request(consumerGroupHeartbeat, 1, {
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: this.epoch,
      ...(joins
        ? { rebalanceTimeoutMs, subscribedTopicNames: [this.topic.name], topicPartitions: [] }
        : { rebalanceTimeoutMs: -1, topicPartitions: tells ? owns : null }),
    })
    if (retried.has(answer.errorCode)) return false
    if (answer.errorCode !== ErrorCode.NONE) throw new Error(`heartbeat: ${errorName(answer.errorCode)}`)
    this.epoch = answer.memberEpoch
    if (answer.assignment !== null) this.owned = answer.assignment.topicPartitions.flatMap(each => each.partitions)
    return true
  }
}
