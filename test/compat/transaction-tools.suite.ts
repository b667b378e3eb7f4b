/** Kafka's own kafka-transactions over transactions that are open, complete, and aborted by the tool itself. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerUnderTest } from './lib/broker.ts'
import type { DriverProcess } from './lib/driver.ts'
import { ToolHost } from './lib/tool-host.ts'
import { createTopics } from './lib/topics.ts'
import { TransactionDriver, transactionWays } from './lib/transaction-clients.ts'

const timeout = 60_000
const topic = 'of-tools'
const partitions = 2
const [done, open] = ['done', 'open']

let broker: BrokerUnderTest
let tools: ToolHost
let driver: DriverProcess

/** The rows that a mode prints, by the names over its columns. */
const table = async (...args: string[]): Promise<Record<string, string>[]> => {
  const { code, stdout, stderr } = await tools.run('kafka-transactions', ...args)
  assert.equal(code, 0, stderr)
  const [head = '', ...lines] = stdout.split('\n').filter(line => line.trim() !== '')
  const cells = (line: string): string[] => line.split('\t').map(cell => cell.trim())
  return lines.map(line => Object.fromEntries(cells(head).map((name, i) => [name, cells(line)[i] ?? ''])))
}

const ends = async (): Promise<readonly number[]> =>
  (await driver.call<{ offsets: number[] }>('ends', { topic, partitions, isolation: 'read_committed' })).offsets

before(
  async () => {
    broker = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '5' })
    const [way] = transactionWays
    assert.ok(way !== undefined)
    driver = (await TransactionDriver.install(way, broker.bootstrap)).start()
    tools = await ToolHost.start(broker.bootstrap)
    await createTopics(broker.bootstrap, [topic], partitions)
    for (const producer of [done, open]) {
      await driver.call('open', { producer, transactionalId: producer, timeoutMs: 60_000 })
      await driver.call('begin', { producer })
      await driver.call('send', { producer, topic, partition: 0, values: [`of ${producer}`] })
      if (producer === done) await driver.call('commit', { producer })
    }
  },
  { timeout: 2 * timeout },
)

after(async () => {
  await Promise.all([tools?.end(), driver?.end()])
  await broker?.destroy()
})

test('list and describe tell the states of transactions', { timeout }, async () => {
  const listed = await table('list')
  const states = listed.map(row => [row.TransactionalId, row.TransactionState])
  assert.deepEqual(states.sort(), [
    [done, 'CompleteCommit'],
    [open, 'Ongoing'],
  ])
  const [described] = await table('describe', '--transactional-id', open)
  assert.equal(described?.TransactionState, 'Ongoing')
  assert.equal(described?.TransactionTimeoutMs, '60000')
  assert.equal(described?.TopicPartitions, `${topic}-0`)
  assert.equal(described?.ProducerId, listed.find(row => row.TransactionalId === open)?.ProducerId)
})

test('describe-producers tells where a transaction began', { timeout }, async () => {
  const [described] = await table('describe', '--transactional-id', open)
  const producers = await table('describe-producers', '--topic', topic, '--partition', '0')
  const starts = new Map(producers.map(row => [row.ProducerId, row.CurrentTransactionStartOffset]))
  // A record and the marker of the one before it.
  assert.equal(starts.get(described?.ProducerId ?? ''), '2')
  assert.equal([...starts.values()].filter(start => start === 'None').length, 1)
})

test('find-hanging finds none among those that their coordinator knows', { timeout }, async () => {
  assert.deepEqual(await table('find-hanging', '--broker-id', '1', '--max-transaction-timeout', '0'), [])
})

test('abort ends a transaction in its partition: readers go on', { timeout }, async () => {
  assert.deepEqual(await ends(), [2, 0])
  await table('abort', '--topic', topic, '--partition', '0', '--start-offset', '2')
  const limit = performance.now() + 10_000
  while ((await ends())[0] !== 4) {
    assert.ok(performance.now() < limit, 'the partition is stable up to its end')
    await sleep(20)
  }
  const args = { topic, partitions, isolation: 'read_committed', count: 1, quietMs: 300, timeoutMs: 10_000 }
  assert.deepEqual(await driver.call('read', args), { parts: [[[0, `of ${done}`]], []] })
})
