// Many more partitions than the process may have descriptors, written all at once, by a real broker on a real disk.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Uuid } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { listOffsets } from '../../src/protocol/schema/list-offsets.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { RawClient } from './raw-client.ts'

const descriptors = 500
const topics = ['a', 'b', 'c', 'd']
const partitionsEach = 250
const producerId = 7n
const bin = fileURLToPath(new URL('../../dist/millrace.js', import.meta.url))
const noTopicId = 'AAAAAAAAAAAAAAAAAAAAAA' as Uuid

const startBroker = async (dataDir: string) => {
  const limited = `ulimit -n ${descriptors} && exec "$0" "$@"`
  const args = [bin, 'serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', '-X', 'max.connections=50']
  const child = spawn('sh', ['-c', limited, process.execPath, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = /\bready in \S+ ms on (\S+):(\d+)/.exec(line)
    if (ready === null) continue
    const client = await RawClient.open({ host: ready[1]!, port: Number(ready[2]) })
    const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
      client.destroy()
      child.kill(signal)
      const [code] = await once(child, 'exit')
      return code as number | null
    }
    return { pid: child.pid!, client, end }
  }
  throw new Error('the broker ended before it was ready')
}

test('partitions are written, stopped and killed with a fifth of the descriptors that they would take', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-many-'))
  let broker = await startBroker(dataDir)
  t.after(async () => {
    try {
      process.kill(broker.pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
    await rm(dataDir, { recursive: true, force: true })
  })
  for (const name of topics) {
    const made = { name, numPartitions: partitionsEach, replicationFactor: 1, assignments: [], configs: [] }
    const answer = await broker.client.request(createTopics, 7, {
      topics: [made],
      timeoutMs: 60_000,
      validateOnly: false,
    })
    assert.equal(answer.topics[0]!.errorCode, 0)
  }
  let written = 0
  // One idempotent producer: an append that came out of order, or twice, would be refused or leave another offset.
  const writeAll = async (acks: -1 | 1) => {
    const batch = buildBatch({
      records: [{ key: null, value: new Uint8Array(50) }],
      timestampMs: 1_000_000 + written,
      producerId,
      producerEpoch: 0,
      baseSequence: written,
    })
    const partitionData = Array.from({ length: partitionsEach }, (_, index) => ({ index, records: batch }))
    const topicData = topics.map(name => ({ name, topicId: noTopicId, partitionData }))
    const { responses } = await broker.client.request(produce, 9, {
      transactionalId: null,
      acks,
      timeoutMs: 60_000,
      topicData,
    })
    for (const { name, partitionResponses } of responses)
      for (const { index, errorCode, baseOffset } of partitionResponses)
        assert.deepEqual({ name, index, errorCode, baseOffset }, { name, index, errorCode: 0, baseOffset: written })
    written++
    const open = await readdir(`/proc/${broker.pid}/fd`)
    assert.ok(open.length < descriptors, `${open.length} descriptors are open`)
  }
  const checkAll = async () => {
    const partitions = Array.from({ length: partitionsEach }, (_, partitionIndex) => ({
      partitionIndex,
      currentLeaderEpoch: -1,
      timestamp: -1,
    }))
    const asked = topics.map(name => ({ name, partitions }))
    const answer = await broker.client.request(listOffsets, 5, { replicaId: -1, isolationLevel: 0, topics: asked })
    for (const { name, partitions: answers } of answer.topics)
      for (const { partitionIndex, errorCode, offset } of answers)
        assert.deepEqual(
          { name, partitionIndex, errorCode, offset: Number(offset) },
          { name, partitionIndex, errorCode: 0, offset: written },
        )
  }
  for (const acks of [1, -1, 1, 1, -1] as const) await writeAll(acks)
  await checkAll()
  assert.equal(await broker.end('SIGTERM'), 0)
  broker = await startBroker(dataDir)
  await checkAll()
  await writeAll(1)
  await writeAll(-1)
  await broker.end('SIGKILL')
  broker = await startBroker(dataDir)
  await checkAll()
  await writeAll(-1)
  assert.equal(await broker.end('SIGTERM'), 0)
})
