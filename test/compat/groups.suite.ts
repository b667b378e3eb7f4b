/**
 * Every client in groups, in every way that it has: three members share a topic; one is killed and another one comes;
 * the broker is killed and started again; members leave one by one. Meanwhile each client writes. lib/group-history.ts
 * says what has to hold of what the members did. All groups go through it side by side, against one broker.
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { ConfigOperation } from '../../src/config/change.ts'
import { ConfigResourceType } from '../../src/config/resources.ts'
import { ErrorCode } from '../../src/protocol/index.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { RawClient } from '../integration/raw-client.ts'
import { BrokerUnderTest } from './lib/broker.ts'
import { type RunningClient, startClient } from './lib/clients.ts'
import { type GroupClient, type GroupWay, groupClients, nameOf } from './lib/group-clients.ts'
import { GroupScenario, type NewTopic, staticSessionTimeoutMs } from './lib/group-scenario.ts'
import type { DriverCommand } from './lib/install-clients.ts'
import { MemberHost } from './lib/member-host.ts'
import { Report } from './lib/report.ts'
import { shortSessions } from './lib/short-sessions.ts'

const limitMs = 240_000
const chosen = process.env.MILLRACE_COMPAT_CLIENTS?.split(',')
const broker = await BrokerUnderTest.start(shortSessions)
const report = new Report('groups')
const runs: ClientRun[] = []

/** One client's groups, and the processes that their members live in. */
class ClientRun {
  readonly scenarios: GroupScenario[]
  private hosts: MemberHost[] = []
  /** By scenario, its members that are there. */
  private readonly present = new Map<GroupScenario, string[]>()

  private constructor(
    ways: readonly GroupWay[],
    readonly client: RunningClient,
    private readonly members: DriverCommand,
  ) {
    this.scenarios = ways.map(way => new GroupScenario(client, way))
  }

  static async start({ kind, ways, installMembers }: GroupClient): Promise<ClientRun> {
    return new ClientRun(ways, await startClient(kind, broker), await installMembers())
  }

  private async each(what: string, run: (scenario: GroupScenario, members: string[]) => Promise<void>): Promise<void> {
    const all = this.scenarios.map(scenario =>
      scenario.step(what, () => {
        const members = this.present.get(scenario) ?? []
        this.present.set(scenario, members)
        return run(scenario, members)
      }),
    )
    await Promise.all(all)
  }

  private async startHosts(count: number): Promise<MemberHost[]> {
    const starts = Array.from({ length: count }, () => MemberHost.start(this.members, broker.bootstrap))
    const outcomes = await Promise.allSettled(starts)
    const started = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    this.hosts.push(...started)
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return started
  }

  /** Goes through `steps`, which, where they throw, leave the other clients' groups alone. */
  async through(steps: () => Promise<void>): Promise<void> {
    await steps().catch((error: unknown) => {
      for (const scenario of this.scenarios) scenario.failure ??= error
    })
  }

  async threeMembers(): Promise<void> {
    const hosts = await this.startHosts(3)
    await this.each('three members', async (scenario, members) => {
      await scenario.produce()
      for (const [slot, host] of hosts.entries()) {
        members.push(scenario.join(host, slot))
        // The first is the leader, so the one that is killed is not: a leader of franz-go that comes back works out an
        // assignment of its own, and asks for a rebalance where it is another than the group's.
        if (scenario.way.static && slot === 0) await scenario.settled(members)
      }
      await scenario.settled(members)
      const { type } = await witness.driver.call<{ type: string }>('describeConsumerGroup', { group: scenario.group })
      assert.equal(type.toLowerCase(), scenario.way.protocol)
    })
  }

  async oneKilledOneAdded(): Promise<void> {
    const [, victim] = this.hosts as [MemberHost, MemberHost]
    // It is up first: a member that is to come back within its session does not wait for a process to start.
    const [added] = (await this.startHosts(1)) as [MemberHost]
    await this.each('a leave', async (scenario, [, member = '']) => {
      // A member of the new protocol that was killed keeps its instance until its session ends.
      if (scenario.way.static && scenario.way.protocol === 'consumer') await scenario.leave(member)
    })
    await victim.kill9()
    await this.each('one killed, one added', async (scenario, members) => {
      const { history } = scenario
      const before = history.events.length
      members.splice(1, 1, scenario.join(added, 1))
      if (scenario.way.regex) await createTopics([scenario.laterTopic()])
      await scenario.produce()
      await scenario.settled(members)
      if (!scenario.way.static) return
      const rebalanced = history.events.slice(before).filter(({ event }) => /assigned|revoked|lost/.test(event))
      assert.deepEqual(
        rebalanced.map(({ event, member }) => `${event} ${member}`),
        [`assigned ${members[1]}`],
        'a static member came back',
      )
      const generations = history.events.flatMap(({ event, generation }) => (event === 'assigned' ? [generation] : []))
      assert.equal(generations.at(-1), Math.max(...generations.map(Number)), 'its generation is that of the others')
    })
  }

  async afterRestart(): Promise<void> {
    await this.each('after the restart', async (scenario, members) => {
      await scenario.produce()
      await scenario.settled(members)
    })
    await this.each('two leave', async (scenario, members) => {
      for (const member of members.splice(0, 2)) if (!scenario.way.static) await scenario.leave(member)
      // Those that leave have waited for their last commits.
      if (scenario.way.static) return await scenario.committed()
      await scenario.produce()
      await scenario.settled(members)
      for (const member of members.splice(0)) await scenario.leave(member)
    })
  }

  async end(): Promise<void> {
    await Promise.all([...this.hosts.map(host => host.end()), this.client.driver.end()])
  }
}

const admin = new kafkajs.Kafka({
  brokers: [broker.bootstrap],
  logLevel: kafkajs.logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 60 },
}).admin()

/** Kafka answers before its own leaders have heard of a topic, and some clients do not ask twice: not so with us. */
const createTopics = async (topics: readonly NewTopic[]): Promise<void> => {
  await admin.createTopics({ topics: [...topics], waitForLeaders: false })
  const deadline = Date.now() + loadLimitMs
  for (const { topic } of broker.kind === 'kafka' ? topics : []) {
    const served = () =>
      admin.fetchTopicOffsets(topic).then(
        offsets => offsets.length > 0,
        () => false,
      )
    while (!(await served())) {
      assert.ok(Date.now() < deadline, `no leaders of ${topic}`)
      await setTimeout(50)
    }
  }
}

/** Members of KIP-848 groups have their session from the broker. */
const lengthenSessions = async (): Promise<void> => {
  const configs = [
    { name: 'consumer.session.timeout.ms', configOperation: ConfigOperation.set, value: `${staticSessionTimeoutMs}` },
  ]
  const groups = scenarios.filter(({ way }) => way.static && way.protocol === 'consumer').map(({ group }) => group)
  const resources = groups.map(resourceName => ({ resourceType: ConfigResourceType.group, resourceName, configs }))
  const client = await RawClient.open(broker)
  const { responses } = await client.request(incrementalAlterConfigs, 1, { resources, validateOnly: false })
  for (const { errorCode, errorMessage } of responses) assert.equal(errorCode, ErrorCode.NONE, errorMessage ?? '')
  client.destroy()
}

/** What kafkajs's admin does not try again by itself: the broker may be up before its coordinators have loaded. */
const notLoadedYet = ['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']
const loadLimitMs = 30_000

const fetchOffsets: typeof admin.fetchOffsets = async asked => {
  const deadline = Date.now() + loadLimitMs
  for (;;) {
    try {
      return await admin.fetchOffsets(asked)
    } catch (error) {
      const loading = error instanceof kafkajs.KafkaJSProtocolError && notLoadedYet.includes(error.type)
      if (!loading || Date.now() > deadline) throw error
      await setTimeout(50)
    }
  }
}

const committedOf = async ({ group, topics }: GroupScenario): Promise<Map<string, number>> => {
  const answer = await fetchOffsets({ groupId: group, topics })
  return new Map(
    answer.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [`${topic}/${partition}`, Number(offset)] as const),
    ),
  )
}

const restartBroker = async (): Promise<void> => {
  await broker.kill9()
  const acknowledged = new Map(scenarios.map(scenario => [scenario, scenario.history.committed()]))
  await broker.startAgain()
  for (const [scenario, offsets] of acknowledged) {
    await scenario.step('commits after the restart', async () => {
      const kept = await committedOf(scenario)
      for (const [name, offset] of offsets)
        assert.ok((kept.get(name) ?? -1) >= offset, `${name}: ${kept.get(name)} is kept, ${offset} was acknowledged`)
    })
  }
}

/** Describes groups: a client that finds no server-side assignor falls back to the classic protocol without a word. */
const witness = await startClient(groupClients[0]!.kind, broker)
for (const groups of groupClients) {
  if (chosen === undefined || chosen.includes(groups.kind.id)) runs.push(await ClientRun.start(groups))
}
const scenarios = runs.flatMap(run => run.scenarios)

before(
  async () => {
    await admin.connect()
    await createTopics(scenarios.map(scenario => scenario.firstTopic()))
    await lengthenSessions()
    await Promise.all(
      runs.map(run =>
        run.through(async () => {
          await run.threeMembers()
          await run.oneKilledOneAdded()
        }),
      ),
    )
    await restartBroker()
    await Promise.all(runs.map(run => run.through(() => run.afterRestart())))
  },
  { timeout: limitMs },
)

after(async () => {
  await report.write()
  await admin.disconnect()
  await Promise.all([...runs.map(run => run.end()), witness.driver.end()])
  await broker.destroy()
})

for (const { client, scenarios } of runs) {
  for (const scenario of scenarios) {
    report.tried(client, `group ${nameOf(scenario.way)}`, `a group, ${nameOf(scenario.way)}`, limitMs, async () => {
      if (scenario.failure !== undefined) throw scenario.failure
      scenario.history.check()
      assert.deepEqual(await committedOf(scenario), scenario.history.ends())
    })
  }
}
