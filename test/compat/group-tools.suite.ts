/**
 * Kafka's own tools over groups of both protocols: kafka-consumer-groups in each of its modes, consumers of the command
 * line, kcat, and DumpLogSegments over what the coordinator wrote.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { BrokerUnderTest } from './lib/broker.ts'
import { clientKinds, type RunningClient, startClient } from './lib/clients.ts'
import { dumpGroupRecords, dumpLogs } from './lib/dump-log.ts'
import { GroupHistory } from './lib/group-history.ts'
import { installKcat } from './lib/install.ts'
import { installJavaDriver, newestJava } from './lib/install-clients.ts'
import { partitionDirs } from './lib/logdir.ts'
import { MemberHost } from './lib/member-host.ts'
import { run } from './lib/process.ts'
import { shortSessions } from './lib/short-sessions.ts'
import { ToolHost } from './lib/tool-host.ts'

const timeout = 60_000
const topic = 'of-tools'
const partitions = 3
const recordsEach = 30
const firstTimestamp = Date.now() - 3_600_000
const groups = { classic: 'tools-classic', consumer: 'tools-consumer' } as const
const protocols = ['classic', 'consumer'] as const
const names = Array.from({ length: partitions }, (_, partition) => `${topic}/${partition}`)

let broker: BrokerUnderTest
let tools: ToolHost
let java: RunningClient
let host: MemberHost
let scratch: string
const histories = new Map(protocols.map(protocol => [protocol, new GroupHistory()]))

const produce = async (partition: number): Promise<void> => {
  const records = Array.from({ length: recordsEach }, (_, i) => ({
    key: null,
    value: Buffer.from(`${topic}/${partition}:${i}`).toString('base64'),
    headers: [],
    timestamp: firstTimestamp + i * 60_000,
  }))
  const args = { topic, partition, codec: 'none', acks: -1, idempotent: true, records }
  await java.driver.call('produce', args)
}

before(
  async () => {
    scratch = await mkdtemp(join(tmpdir(), 'millrace-tools-'))
    broker = await BrokerUnderTest.start(shortSessions)
    java = await startClient(clientKinds[0]!, broker)
    tools = await ToolHost.start(broker.bootstrap)
    host = await MemberHost.start(await installJavaDriver(...newestJava, 'Members'), broker.bootstrap)
    await java.driver.call('createTopic', { topic, partitions })
    for (const partition of names.keys()) await produce(partition)
    for (const [protocol, history] of histories) {
      for (const name of names)
        history.produced(
          name,
          Array.from({ length: recordsEach }, (_, i) => `${name}:${i}`),
        )
      const common = { group: groups[protocol], topic, protocol, sessionTimeoutMs: 20_000 }
      const assignor = protocol === 'classic' ? 'range' : 'uniform'
      for (const i of [0, 1]) host.join({ ...common, member: `${protocol}-${i}`, assignor }, history)
    }
    for (const [protocol, history] of histories) {
      const members = [0, 1].map(i => `${protocol}-${i}`)
      const done = () => history.shared(members, partitions) && sum(history.committed().values()) === total
      await history.until('all is committed', done, timeout)
    }
  },
  { timeout: 2 * timeout },
)

after(async () => {
  await Promise.all([host?.end(), tools?.end(), java?.driver.end()])
  await broker?.destroy()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

const total = partitions * recordsEach
const sum = (counts: Iterable<number>): number => [...counts].reduce((all, count) => all + count, 0)

const listed = async (...args: string[]) => {
  const rows = await tools.table('kafka-consumer-groups', '--list', ...args)
  return rows.sort((a, b) => (a.GROUP ?? '').localeCompare(b.GROUP ?? ''))
}

const describe = (group: string, ...args: string[]) =>
  tools.table('kafka-consumer-groups', '--describe', '--group', group, ...args)

test('kafka-consumer-groups lists groups with states and types', { timeout }, async () => {
  const { stdout } = await tools.run('kafka-consumer-groups', '--list')
  assert.deepEqual(stdout.trim().split('\n').sort(), Object.values(groups).sort())
  const classic = { GROUP: groups.classic, TYPE: 'Classic', STATE: 'Stable' }
  const consumer = { GROUP: groups.consumer, TYPE: 'Consumer', STATE: 'Stable' }
  assert.deepEqual(await listed('--state', '--type'), [classic, consumer])
  assert.deepEqual(await listed('--type', 'consumer', '--state'), [consumer])
  assert.deepEqual(await listed('--type', 'classic', '--state', 'stable'), [classic])
  assert.deepEqual(await listed('--state', 'Empty,Dead'), [])
  const all = await tools.table('kafka-groups', '--list')
  assert.deepEqual(all.map(({ GROUP, TYPE, PROTOCOL }) => `${GROUP} ${TYPE} ${PROTOCOL}`).sort(), [
    `${groups.classic} Classic consumer`,
    `${groups.consumer} Consumer consumer`,
  ])
})

for (const protocol of protocols) {
  const group = groups[protocol]

  test(`kafka-consumer-groups describes offsets of a ${protocol} group`, { timeout }, async () => {
    const rows = await describe(group, '--offsets', '--verbose')
    const found = rows.map(row => [row.TOPIC, row.PARTITION, row['CURRENT-OFFSET'], row['LOG-END-OFFSET'], row.LAG])
    const each = String(recordsEach)
    const expected = names.map((_, partition) => [topic, String(partition), each, each, '0'])
    assert.deepEqual(found.sort(), expected)
    for (const row of rows) {
      assert.match(row['CLIENT-ID'] ?? '', new RegExp(`^${protocol}-[01]$`))
      assert.match(row.HOST ?? '', /^\/127\.0\.0\.1$/)
      assert.notEqual(row['CONSUMER-ID'], '-')
    }
  })

  test(`kafka-consumer-groups describes members of a ${protocol} group`, { timeout }, async () => {
    const rows = await describe(group, '--members', '--verbose')
    assert.deepEqual(rows.map(row => row['CLIENT-ID']).sort(), [`${protocol}-0`, `${protocol}-1`])
    assert.equal(sum(rows.map(row => Number(row['#PARTITIONS']))), partitions)
    if (protocol === 'consumer') {
      const [first] = rows
      assert.ok(Number(first?.['CURRENT-EPOCH']) > 0)
      assert.equal(first?.['TARGET-EPOCH'], first?.['CURRENT-EPOCH'])
      assert.equal(first?.['TARGET-ASSIGNMENT'], first?.['CURRENT-ASSIGNMENT'])
    }
  })

  test(`kafka-consumer-groups describes the state of a ${protocol} group`, { timeout }, async () => {
    const [state] = await describe(group, '--state', '--verbose')
    assert.equal(state?.STATE, 'Stable')
    assert.equal(state?.['#MEMBERS'], '2')
    assert.equal(state?.COORDINATOR, broker.bootstrap)
    assert.equal(state?.['ASSIGNMENT-STRATEGY'], protocol === 'classic' ? 'range' : 'uniform')
    if (protocol === 'consumer') assert.ok(Number(state?.['GROUP-EPOCH']) > 0)
  })

  test(`a ${protocol} group with members is not deleted, nor are its offsets, nor reset`, { timeout }, async () => {
    const deleted = await tools.run('kafka-consumer-groups', '--delete', '--group', group)
    assert.match(deleted.stdout, /GroupNotEmptyException/)
    const offsets = await tools.run('kafka-consumer-groups', '--delete-offsets', '--group', group, '--topic', topic)
    assert.match(offsets.stdout, /GroupSubscribedToTopicException|actively subscribed/)
    const reset = ['--reset-offsets', '--group', group, '--topic', topic, '--to-earliest', '--execute']
    const refused = await tools.run('kafka-consumer-groups', ...reset)
    assert.match(refused.stdout + refused.stderr, /can only be reset if the group .* is inactive/)
    assert.deepEqual(
      await committed(group),
      names.map(() => recordsEach),
    )
  })
}

const committed = async (group: string): Promise<(number | undefined)[]> => {
  const answer = await java.driver.call<{ offsets: Record<string, [number]> }>('committedOffsets', { group })
  return names.map(name => answer.offsets[name]?.[0])
}

test('members leave, and their groups are empty', { timeout }, async () => {
  for (const [protocol, history] of histories) {
    for (const i of [0, 1]) host.leave(`${protocol}-${i}`)
    const gone = () => [0, 1].every(i => history.hasLeft(`${protocol}-${i}`))
    await history.until('both have left', gone, timeout)
    history.check()
  }
  assert.deepEqual(
    (await listed('--state')).map(({ STATE }) => STATE),
    ['Empty', 'Empty'],
  )
})

/** Each way of --reset-offsets, from 30 on in every partition of 30 records a minute apart, and what it leads to. */
const resets: readonly { how: readonly string[]; offsets: readonly number[] }[] = [
  { how: ['--to-earliest'], offsets: [0, 0, 0] },
  { how: ['--to-latest'], offsets: [30, 30, 30] },
  { how: ['--to-offset', '7'], offsets: [7, 7, 7] },
  { how: ['--shift-by', '5'], offsets: [12, 12, 12] },
  { how: ['--shift-by', '-2'], offsets: [10, 10, 10] },
  { how: ['--to-current'], offsets: [10, 10, 10] },
  { how: ['--to-datetime', new Date(firstTimestamp + 4 * 60_000).toISOString().replace('Z', '')], offsets: [4, 4, 4] },
  { how: ['--by-duration', 'PT0M'], offsets: [30, 30, 30] },
]

for (const protocol of protocols) {
  const group = groups[protocol]
  const reset = (...args: string[]) => tools.run('kafka-consumer-groups', '--reset-offsets', '--group', group, ...args)

  test(`kafka-consumer-groups resets offsets of a ${protocol} group each way`, { timeout: 2 * timeout }, async () => {
    for (const { how, offsets } of resets) {
      const { stdout, stderr } = await reset('--topic', topic, ...how, '--execute')
      assert.deepEqual(await committed(group), offsets, `${how.join(' ')}\n${stdout}\n${stderr}`)
    }
    await reset('--topic', `${topic}:1`, '--to-offset', '3', '--execute')
    assert.deepEqual(await committed(group), [30, 3, 30])
    await reset('--all-topics', '--to-earliest', '--dry-run')
    assert.deepEqual(await committed(group), [30, 3, 30])
  })

  test(`offsets of a ${protocol} group are exported and taken back from the file`, { timeout }, async () => {
    const { stdout } = await reset('--all-topics', '--to-current', '--export', '--dry-run')
    const lines = stdout.trim().split('\n').sort()
    assert.deepEqual(
      lines.map(line => line.replaceAll('"', '')),
      [`${topic},0,30`, `${topic},1,3`, `${topic},2,30`],
    )
    const file = join(scratch, `${group}.csv`)
    await writeFile(file, `${stdout.replaceAll('30', '11').trim()}\n`)
    await reset('--from-file', file, '--execute')
    assert.deepEqual(await committed(group), [11, 3, 11])
  })

  test(`kafka-consumer-groups deletes offsets of a ${protocol} group, then the group`, { timeout }, async () => {
    const offsets = await tools.run(
      'kafka-consumer-groups',
      '--delete-offsets',
      '--group',
      group,
      '--topic',
      `${topic}:1`,
    )
    assert.match(offsets.stdout, /Successful/)
    assert.deepEqual(await committed(group), [11, undefined, 11])
    const deleted = await tools.run('kafka-consumer-groups', '--delete', '--group', group)
    assert.match(deleted.stdout, /Deletion of requested consumer groups .* was successful/)
    const { stdout } = await tools.run('kafka-consumer-groups', '--list')
    assert.ok(!stdout.split('\n').includes(group))
    const gone = await tools.run('kafka-consumer-groups', '--describe', '--group', group)
    assert.match(gone.stdout + gone.stderr, /does not exist|GroupIdNotFoundException/)
  })

  test(`kafka-console-consumer reads as a ${protocol} group`, { timeout }, async () => {
    const own = `console-${protocol}`
    const common = ['--topic', topic, '--group', own, '--max-messages', String(total), '--timeout-ms', '30000']
    const from = ['--consumer-property', 'auto.offset.reset=earliest']
    const { stdout, stderr } = await tools.run(
      'kafka-console-consumer',
      ...common,
      ...from,
      '--consumer-property',
      `group.protocol=${protocol}`,
    )
    const read = stdout.split('\n').filter(line => line.startsWith(`${topic}/`))
    assert.equal(new Set(read).size, total, stderr)
    assert.deepEqual(await committed(own), [30, 30, 30])
  })

  test(`kafka-verifiable-consumer reads as a ${protocol} group`, { timeout }, async () => {
    const own = `verifiable-${protocol}`
    const args = ['--topic', topic, '--group-id', own, '--max-messages', String(total), '--reset-policy', 'earliest']
    const { stdout } = await tools.run('kafka-verifiable-consumer', ...args, '--group-protocol', protocol)
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { name: string; count?: number })
    const consumed = events.filter(({ name }) => name === 'records_consumed').map(({ count }) => count ?? 0)
    assert.equal(sum(consumed), total)
    assert.deepEqual(await committed(own), [30, 30, 30])
  })
}

test('kafka-consumer-perf-test reads as a group', { timeout }, async () => {
  const { stdout } = await tools.run(
    'kafka-consumer-perf-test',
    '--topic',
    topic,
    '--group',
    'perf',
    '--num-records',
    String(total),
    '--hide-header',
  )
  assert.equal(Number(stdout.trim().split('\n').at(-1)?.split(',')[4]), total, stdout)
})

test('kcat -G reads as a group, and goes on from what it committed', { timeout }, async () => {
  const kcat = await installKcat()
  const read = async (count: number) => {
    const config = ['-X', 'auto.offset.reset=earliest', '-X', 'session.timeout.ms=6000', '-c', String(count)]
    const args = ['-b', broker.bootstrap, '-q', '-f', '%t/%p:%o\n', ...config, '-G', 'of-kcat', topic]
    const { stdout } = await run(kcat, args, { timeoutMs: timeout })
    return stdout.trim().split('\n')
  }
  const first = await read(40)
  const second = await read(total - 40)
  assert.equal(new Set([...first, ...second]).size, total)
})

test('DumpLogSegments prints every record of the coordinator', { timeout }, async t => {
  if (!broker.restartable) return t.skip('the broker is not ours to stop')
  await broker.stop()
  const own = (await partitionDirs(broker.dataDir ?? '')).filter(({ dir }) =>
    basename(dir).startsWith('__consumer_offsets'),
  )
  const { complaints } = await dumpLogs(own)
  assert.deepEqual(complaints, [])
  const { records, types, unread } = await dumpGroupRecords(own)
  assert.deepEqual(unread, [])
  assert.ok(records > 0)
  // A commit, a classic group, and of a KIP-848 group: epoch, member's subscription, target and current assignments.
  for (const type of ['1', '2', '3', '5', '6', '7', '8']) assert.ok(types.has(type), `no record of type ${type}`)
})
