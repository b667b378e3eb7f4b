/**
 * Kafka Streams counts words exactly once (processing.guarantee=exactly_once_v2), in two processes of which each is
 * killed in the middle of its work, as is the broker. Nobody who reads what is committed may see a count missing, twice or
 * out of turn.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BrokerUnderTest } from './lib/broker.ts'
import type { DriverProcess } from './lib/driver.ts'
import { here, installJava } from './lib/install.ts'
import { ended } from './lib/process.ts'
import { ProcessLog } from './lib/process-log.ts'
import { shortSessions } from './lib/short-sessions.ts'
import { createTopics } from './lib/topics.ts'
import { TransactionDriver, transactionWays } from './lib/transaction-clients.ts'
import type { Parts } from './lib/transaction-loop.ts'

const timeout = 240_000
const progressLimitMs = 90_000
const startLimitMs = 60_000
const heapMb = 256
const partitions = 3
/** Of each partition and helping. */
const helping = 150
const words = 10
const [lines, counts, application] = ['lines', 'counts', 'word-count']

let broker: BrokerUnderTest
let witness: DriverProcess
let java: string[]
let scratch: string
const instances: ChildProcess[] = []
let given = 0
const expected = new Map<string, number>()

/** Each instance keeps its state where it had it before it was killed. */
const startInstance = async (index: number): Promise<void> => {
  const args = [here('java/WordCount.java'), broker.bootstrap, application, lines, counts, join(scratch, String(index))]
  const quick = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  const child = spawn('java', [...quick, ...java, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  instances[index] = child
  await new ProcessLog(child.stdout, child.stderr).until(line => line === 'running', startLimitMs)
}

const kill = async (index: number): Promise<void> => {
  const child = instances[index] as ChildProcess
  child.kill('SIGKILL')
  await ended(child)
}

/** Lines whose words are everywhere, so that every count is made of what came by all partitions. */
const give = async (): Promise<void> => {
  for (let partition = 0; partition < partitions; partition++) {
    const values = Array.from({ length: helping }, (_, i) => {
      const line = [`w${(given + i) % words}`, `w${((given + i) * 7 + partition) % words}`, 'all']
      for (const word of line) expected.set(word, (expected.get(word) ?? 0) + 1)
      return line.join(' ')
    })
    await witness.call('give', { topic: lines, partition, values })
  }
  given += helping
}

/** Until so many of the lines are read by transactions that are committed. */
const untilTaken = async (wanted: number): Promise<void> => {
  const limit = performance.now() + progressLimitMs
  for (;;) {
    const args = { group: application, topic: lines, partitions }
    const { offsets } = await witness.call<{ offsets: number[] }>('committed', args)
    if (offsets.reduce((sum, offset) => sum + Math.max(offset, 0), 0) >= wanted) return
    assert.ok(performance.now() < limit, `lines up to ${offsets} were counted in time`)
    await sleep(50)
  }
}

before(async () => {
  broker = await BrokerUnderTest.start({ ...shortSessions, 'transaction.state.log.num.partitions': '5' })
  const [way] = transactionWays
  assert.ok(way !== undefined)
  witness = (await TransactionDriver.install(way, broker.bootstrap)).start()
  java = await installJava('streams', heapMb)
  scratch = await mkdtemp(join(tmpdir(), 'millrace-streams-'))
  await createTopics(broker.bootstrap, [lines, counts], partitions)
})

after(async () => {
  await Promise.all(instances.map((_, index) => kill(index)))
  await witness?.end().catch(() => undefined)
  await broker?.destroy()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

test('words are counted once each, whatever is killed', { timeout }, async t => {
  await give()
  await Promise.all([startInstance(0), startInstance(1)])
  await untilTaken((given * partitions) / 3)
  await kill(0)
  await give()
  await startInstance(0)
  await untilTaken((given - helping / 2) * partitions)
  if (broker.restartable) {
    await broker.kill9()
    await broker.startAgain()
  } else t.diagnostic('the broker was started elsewhere and is left alone')
  await give()
  await untilTaken((given - helping / 2) * partitions)
  await kill(1)
  await startInstance(1)
  await untilTaken(given * partitions)

  const count = [...expected.values()].reduce((sum, times) => sum + times, 0)
  const args = { topic: counts, partitions, isolation: 'read_committed', count, quietMs: 2_000, timeoutMs: 60_000 }
  const { parts } = await witness.call<{ parts: Parts }>('read', args)
  const seen = new Map<string, number[]>()
  for (const [, value] of parts.flat()) {
    const [word = '', times] = value.split(' ')
    seen.set(word, [...(seen.get(word) ?? []), Number(times)])
  }
  for (const [word, times] of expected) {
    const each = Array.from({ length: times }, (_, i) => i + 1)
    assert.deepEqual(seen.get(word), each, `the counts of '${word}'`)
  }
  assert.equal(seen.size, expected.size)
})
