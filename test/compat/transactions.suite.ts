/**
 * Transactions of real clients: all or nothing over several partitions, offsets in them, fencing, timeouts, readers of
 * both isolation levels; and loops that consume, process, produce and commit both, killed in the middle of their work, as
 * the broker is. Each client's loops run side by side with the others'.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerUnderTest } from './lib/broker.ts'
import type { RunningClient } from './lib/clients.ts'
import { ClientError, type DriverProcess } from './lib/driver.ts'
import { installKcat } from './lib/install.ts'
import { run } from './lib/process.ts'
import { Report } from './lib/report.ts'
import { shortSessions } from './lib/short-sessions.ts'
import { createTopics } from './lib/topics.ts'
import { idOf, TransactionDriver, type TransactionWay, transactionWays } from './lib/transaction-clients.ts'
import { loopPartitions, type Parts, TransactionLoop } from './lib/transaction-loop.ts'

const timeout = 60_000
const loopsTimeout = 240_000
const partitions = 3
const isolations = ['read_committed', 'read_uncommitted'] as const
type Isolation = (typeof isolations)[number]

/** INVALID_PRODUCER_EPOCH, PRODUCER_FENCED, and what librdkafka makes of either. */
const fenced = [47, 90, -144]
const settleLimitMs = 30_000
/** Of transactions that are left open, which are to be whole before it is over on a slow machine, too. */
const leftTimeoutMs = 8_000

const chosen = process.env.MILLRACE_COMPAT_CLIENTS?.split(',')
const ways = transactionWays.filter(({ kind }, index) => index === 0 || (chosen?.includes(kind.id) ?? true))
const report = new Report('transactions')
const broker = await BrokerUnderTest.start({
  ...shortSessions,
  'transaction.state.log.num.partitions': '5',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500',
})

interface Client {
  readonly way: TransactionWay
  readonly id: string
  readonly driver: DriverProcess
  readonly running: RunningClient
  readonly installed: TransactionDriver
}

const clients: Client[] = []
const startAll = async (): Promise<void> => {
  for (const way of ways) {
    const installed = await TransactionDriver.install(way, broker.bootstrap)
    const driver = installed.start()
    const { version } = await driver.call<{ version: string }>('hello')
    const running = { kind: way.kind, driver, version, ops: new Set<string>() }
    clients.push({ way, id: idOf(way), driver, running, installed })
  }
}
const endAll = async (): Promise<void> => {
  await Promise.all(clients.map(({ driver }) => driver.end().catch(() => undefined)))
  await broker.destroy()
}

try {
  await startAll()
} catch (error) {
  await endAll()
  throw error
}

/** Who is asked what is there, by other eyes than those of the client in question. */
const witness = (clients[0] as Client).driver

/** All that is sent to the topic that everybody writes, in its order; one part of it by one transaction. */
const sentToAll: { readonly value: string; readonly transaction: { committed: boolean } }[][] = Array.from(
  { length: partitions },
  () => [],
)
const everyone = 'everyone'

const loops = clients.map(({ installed }) => new TransactionLoop(installed, witness))

/** Each client's, left side by side, so that the wait for them is one. */
const left = new Map<Client, Promise<void>>()

before(async () => {
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
  const own = clients.flatMap(({ id }) => [`whole-${id}`, `fencing-${id}`, `timeout-${id}`])
  const ofLoops = loops.flatMap(({ topics }) => [topics.in, topics.out])
  await createTopics(broker.bootstrap, [everyone, ...own, ...ofLoops], partitions)
  for (const client of clients) left.set(client, leaveOpen(client))
  await Promise.allSettled(left.values())
})

after(async () => {
  await report.write()
  await Promise.all(loops.map(loop => loop.end()))
  await endAll()
})

const read = async (driver: DriverProcess, topic: string, isolation: Isolation, count: number): Promise<Parts> => {
  const args = { topic, partitions, isolation, count, quietMs: 300, timeoutMs: settleLimitMs }
  return (await driver.call<{ parts: Parts }>('read', args)).parts
}

const ends = async (topic: string, isolation: Isolation): Promise<readonly number[]> =>
  (await witness.call<{ offsets: number[] }>('ends', { topic, partitions, isolation })).offsets

/** Markers are written after EndTxn is answered, and a transaction times out when it does. */
const untilStable = async (topic: string, wanted: readonly number[]): Promise<void> => {
  const limit = performance.now() + settleLimitMs
  for (;;) {
    const found = await ends(topic, 'read_committed')
    if (found.join() === wanted.join()) return
    assert.ok(performance.now() < limit, `${topic} is stable up to ${found}, not to ${wanted}`)
    await sleep(20)
  }
}

const sendEverywhere = async (driver: DriverProcess, producer: string, topic: string, text: string): Promise<void> => {
  for (let partition = 0; partition < partitions; partition++)
    await driver.call('send', { producer, topic, partition, values: [`${text}0`, `${text}1`] })
}

const slow = 'slow'

const leaveOpen = async ({ driver, id }: Client): Promise<void> => {
  const topic = `timeout-${id}`
  await driver.call('open', { producer: slow, transactionalId: topic, timeoutMs: leftTimeoutMs })
  await driver.call('begin', { producer: slow })
  await sendEverywhere(driver, slow, topic, 'late')
}

const same = <Value>(value: Value): Value[] => Array.from({ length: partitions }, () => value)

const tried = (client: Client, what: string, title: string, limitMs: number, body: () => Promise<void>): void => {
  const { kind, version } = client.way
  report.tried(client.running, `transaction v${version} ${what}`, `${kind.id} v${version}: ${title}`, limitMs, body)
}

for (const client of clients) {
  const { driver, id, way } = client

  tried(client, 'all-or-nothing', 'three partitions are committed or aborted at once', timeout, async () => {
    const topic = `whole-${id}`
    const producer = 'whole'
    await driver.call('open', { producer, transactionalId: topic, timeoutMs: 60_000 })
    await driver.call('begin', { producer })
    await sendEverywhere(driver, producer, topic, 'a')
    assert.deepEqual(await ends(topic, 'read_uncommitted'), same(2))
    assert.deepEqual(await ends(topic, 'read_committed'), same(0))
    assert.deepEqual(await read(witness, topic, 'read_committed', 0), same([]))
    await driver.call('commit', { producer })
    await untilStable(topic, same(3))
    await driver.call('begin', { producer })
    await sendEverywhere(driver, producer, topic, 'b')
    await driver.call('abort', { producer })
    await driver.call('begin', { producer })
    await sendEverywhere(driver, producer, topic, 'c')
    await driver.call('commit', { producer })
    await driver.call('close', { producer })
    // Two records and a marker each.
    await untilStable(topic, same(9))
    const [a, b, c] = [0, 3, 6].map((offset, i) => [0, 1].map(n => [offset + n, `${'abc'[i]}${n}`]))
    assert.deepEqual(await read(driver, topic, 'read_committed', 12), same([a, c].flat()))
    assert.deepEqual(await read(driver, topic, 'read_uncommitted', 18), same([a, b, c].flat()))
  })

  tried(client, 'fencing', 'a second producer of its id ends the first', timeout, async () => {
    const topic = `fencing-${id}`
    const shared = { transactionalId: topic, timeoutMs: 60_000 }
    await driver.call('open', { producer: 'old', ...shared })
    await driver.call('begin', { producer: 'old' })
    await sendEverywhere(driver, 'old', topic, 'old')
    await driver.call('open', { producer: 'new', ...shared })
    await untilStable(topic, same(3))
    await assert.rejects(driver.call('commit', { producer: 'old' }), (error: unknown) => {
      assert.ok(error instanceof ClientError && fenced.includes(error.code), String(error))
      return true
    })
    await driver.call('begin', { producer: 'new' })
    await sendEverywhere(driver, 'new', topic, 'new')
    await driver.call('commit', { producer: 'new' })
    await driver.call('close', { producer: 'new' })
    await untilStable(topic, same(6))
    const expected = [0, 1].map(n => [3 + n, `new${n}`])
    assert.deepEqual(await read(driver, topic, 'read_committed', 6), same(expected))
  })

  tried(
    client,
    'timeout',
    'a transaction that is left is aborted in time, and cannot be committed',
    timeout,
    async () => {
      const topic = `timeout-${id}`
      await left.get(client)
      await untilStable(topic, same(3))
      await assert.rejects(driver.call('commit', { producer: slow }), ClientError)
      assert.deepEqual(await read(driver, topic, 'read_committed', 0), same([]))
    },
  )

  if (way.sendsOffsets)
    tried(client, 'offsets', 'offsets become those of the group with the commit, and only then', timeout, async () => {
      const producer = 'offsets'
      const group = `offsets-${id}`
      const committed = async (): Promise<number | undefined> =>
        (await witness.call<{ offsets: number[] }>('committed', { group, topic: everyone, partitions })).offsets[1]
      const untilCommitted = async (wanted: number): Promise<void> => {
        const limit = performance.now() + settleLimitMs
        for (let found = await committed(); found !== wanted; found = await committed()) {
          assert.ok(performance.now() < limit, `${group} is at ${found}, not at ${wanted}`)
          await sleep(20)
        }
      }
      const offer = async (offset: number): Promise<void> => {
        await driver.call('begin', { producer })
        await driver.call('sendOffset', { producer, group, topic: everyone, partition: 1, offset })
      }
      await driver.call('open', { producer, transactionalId: group, timeoutMs: 60_000 })
      await offer(5)
      assert.equal(await committed(), -1)
      await driver.call('commit', { producer })
      await untilCommitted(5)
      await offer(9)
      await driver.call('abort', { producer })
      await offer(7)
      assert.equal(await committed(), 5)
      await driver.call('commit', { producer })
      await untilCommitted(7)
      await driver.call('close', { producer })
    })
}

test('everybody writes to one topic at once, and commits or aborts in another order', { timeout }, async () => {
  const producer = 'everyone'
  for (const { driver, id } of clients)
    await driver.call('open', { producer, transactionalId: `everyone-${id}`, timeoutMs: 60_000 })
  for (let round = 0; round < 4; round++) {
    const open: { driver: DriverProcess; transaction: { committed: boolean } }[] = []
    for (const [index, { driver, id }] of clients.entries()) {
      const transaction = { committed: (index + round) % 3 !== 0 }
      await driver.call('begin', { producer })
      for (let partition = 0; partition < partitions; partition++) {
        // Not everybody writes everywhere.
        if ((index + partition) % 4 === round % 4) continue
        const values = [`${id} ${round}a`, `${id} ${round}b`]
        await driver.call('send', { producer, topic: everyone, partition, values })
        sentToAll[partition]?.push(...values.map(value => ({ value, transaction })))
      }
      open.push({ driver, transaction })
    }
    if (round % 2 === 0) open.reverse()
    for (const { driver, transaction } of open)
      await driver.call(transaction.committed ? 'commit' : 'abort', { producer })
  }
  for (const { driver } of clients) await driver.call('close', { producer })
  await untilStable(everyone, await ends(everyone, 'read_uncommitted'))
})

const expectedOfAll = (isolation: Isolation): string[][] =>
  sentToAll.map(part =>
    part
      .filter(({ transaction }) => isolation === 'read_uncommitted' || transaction.committed)
      .map(({ value }) => value),
  )

// kafkajs reads wrongly by the order in which Kafka lists aborted transactions: README.md.
const readers = clients.filter(({ way }) => broker.kind !== 'kafka' || way.kind.id !== 'kafkajs')
for (const client of readers)
  tried(client, 'reads', 'it reads what all of them committed, or what all of them sent', timeout, async () => {
    for (const isolation of isolations) {
      const expected = expectedOfAll(isolation)
      const parts = await read(client.driver, everyone, isolation, expected.flat().length)
      assert.deepEqual(
        parts.map(part => part.map(([, value]) => value)),
        expected,
        isolation,
      )
    }
  })

test('kcat reads what all of them committed, or what all of them sent', { timeout }, async () => {
  const kcat = await installKcat()
  for (const isolation of isolations) {
    const parts: string[][] = []
    for (let partition = 0; partition < partitions; partition++) {
      const from = ['-C', '-t', everyone, '-p', String(partition), '-o', 'beginning', '-e', '-q', '-f', '%s\\n']
      const args = ['-b', broker.bootstrap, ...from, '-X', `isolation.level=${isolation}`]
      const { stdout } = await run(kcat, args, { timeoutMs: timeout })
      parts.push(stdout.trimEnd().split('\n'))
    }
    assert.deepEqual(parts, expectedOfAll(isolation), isolation)
  }
})

const eachLoop = (what: string, act: (loop: TransactionLoop) => Promise<void>): Promise<unknown> =>
  Promise.all(loops.map(loop => loop.step(what, () => act(loop))))

test('loops are killed in the middle of their work, and so is the broker', { timeout: loopsTimeout }, async () => {
  await eachLoop('the first helping', async loop => {
    await loop.give()
    loop.startAll()
    await loop.until('half')
    await loop.killOne(0)
    await loop.until('all')
  })
  await eachLoop('the second helping', async loop => {
    await loop.give()
    await loop.until('half')
  })
  if (broker.restartable) {
    await broker.kill9()
    await broker.startAgain()
  }
  await eachLoop('after the broker was killed', loop => loop.afterBrokerKill())
  await eachLoop('the third helping', async loop => {
    await loop.give()
    await loop.until('half')
    await loop.killOne(1)
    await loop.until('all')
  })
  for (const loop of loops) await loop.end()
})

for (const [index, client] of clients.entries())
  tried(client, 'loop', 'what was killed in the middle of it had each effect once', timeout, async () => {
    const loop = loops[index] as TransactionLoop
    assert.equal(loopPartitions, partitions)
    await loop.judge()
  })
