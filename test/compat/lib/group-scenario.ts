/**
 * One group of one client in one way, through its life. Its members sit in hosts that it shares with the client's other
 * groups, so what happens to a host happens to all of them, and the suite is who kills it.
 */
import type { RunningClient } from './clients.ts'
import { type GroupWay, nameOf } from './group-clients.ts'
import { GroupHistory } from './group-history.ts'
import type { MemberHost } from './member-host.ts'

const partitions = 6
const partitionsLater = 3
const recordsEach = 60
/** Longer than a member's session and a client's pause between two attempts, on a machine that does much else. */
const settleLimitMs = 60_000

/** The least that a slow machine leaves room for: who is killed is missed for this long. */
export const sessionTimeoutMs = 6_000
/** Nobody waits for the end of a static member's session: who is killed comes back within it, on a slow machine, too. */
export const staticSessionTimeoutMs = 40_000

export interface NewTopic {
  readonly topic: string
  readonly numPartitions: number
  readonly replicationFactor: number
}

export class GroupScenario {
  readonly history = new GroupHistory()
  readonly topics: string[]
  /** The first thing that went wrong: the scenario stands still from then on. */
  failure: unknown
  private partitionCount = partitions
  private members = new Map<string, MemberHost>()

  constructor(
    readonly client: RunningClient,
    readonly way: GroupWay,
    readonly group = `${client.kind.id}-${nameOf(way).replaceAll(' ', '-')}`,
  ) {
    this.topics = [`of-${group}`]
  }

  /** Goes on with the scenario, unless it has failed already. */
  async step(what: string, run: () => Promise<void>): Promise<void> {
    if (this.failure !== undefined) return
    await run().catch((error: unknown) => {
      this.failure = new Error(`${this.group}, ${what}: ${error instanceof Error ? error.message : error}`)
    })
  }

  firstTopic(): NewTopic {
    return { topic: this.topics[0] ?? '', numPartitions: partitions, replicationFactor: 1 }
  }

  /** A second topic that the regular expression of the members matches, and that they are to find by themselves. */
  laterTopic(): NewTopic {
    const topic = `${this.topics[0]}-later`
    this.topics.push(topic)
    this.partitionCount += partitionsLater
    return { topic, numPartitions: partitionsLater, replicationFactor: 1 }
  }

  async produce(): Promise<void> {
    for (const topic of this.topics) {
      const count = topic === this.topics[0] ? partitions : partitionsLater
      for (let partition = 0; partition < count; partition++) {
        const name = `${topic}/${partition}`
        const first = this.history.ends().get(name) ?? 0
        const values = Array.from({ length: recordsEach }, (_, i) => `${name}:${first + i}`)
        const records = values.map(value => ({
          key: null,
          value: Buffer.from(value).toString('base64'),
          headers: [],
          timestamp: null,
        }))
        const way = { codec: 'none', acks: -1, idempotent: false }
        await this.client.driver.call('produce', { topic, partition, ...way, records })
        this.history.produced(name, values)
      }
    }
  }

  /** `slot` names the instance of a static member: who joins in it next comes back for it. */
  join(host: MemberHost, slot: number, way: GroupWay = this.way): string {
    const member = `${this.group}-${this.members.size}`
    this.members.set(member, host)
    host.join(
      {
        member,
        group: this.group,
        topic: this.topics[0] ?? '',
        // librdkafka takes a topic's name for a regular expression by its first character.
        ...(way.regex ? { regex: `^${this.topics[0]}.*` } : {}),
        protocol: way.protocol,
        assignor: way.assignor,
        ...(way.static ? { instanceId: `instance-${slot}` } : {}),
        sessionTimeoutMs: way.static ? staticSessionTimeoutMs : sessionTimeoutMs,
        ...(way.maxPollIntervalMs === undefined ? {} : { maxPollIntervalMs: way.maxPollIntervalMs }),
      },
      this.history,
    )
    return member
  }

  async leave(member: string): Promise<void> {
    this.members.get(member)?.leave(member)
    await this.history.until(`${member} leaves`, () => this.history.hasLeft(member), settleLimitMs)
  }

  /** These members, and no one else, share all partitions, and have processed all that was sent. */
  async settled(members: readonly string[]): Promise<void> {
    const all = this.partitionCount
    const { history } = this
    await history.until(`${members.length} members share`, () => history.shared(members, all), settleLimitMs)
    await history.until('all is processed', () => history.caughtUp(), settleLimitMs)
  }

  async committed(): Promise<void> {
    await this.history.until('all is committed', () => this.history.allCommitted(), settleLimitMs)
  }
}
