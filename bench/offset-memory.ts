// What a million committed offsets cost in memory, and in time when they are replayed: `npm run bench -- offset-memory`. The
// shard alone, without log and decoding: `npm run bench -- groups` has those.
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { silentLogger } from '../src/base/logger.ts'
import { ClassicGroup } from '../src/coordinator/group/classic/classic-group.ts'
import { offsetRecord } from '../src/coordinator/group/offsets/committed-offset.ts'
import { GroupOffsets } from '../src/coordinator/group/offsets/group-offsets.ts'
import { type Uuid, uuidFromBytes } from '../src/protocol/index.ts'
import { groupShardParts, TestTopics } from '../test/support/group-shard-parts.ts'

interface Shape {
  readonly groups: number
  readonly topics: number
  readonly partitions: number
}

const shapes: readonly Shape[] = [
  { groups: 1_000, topics: 10, partitions: 100 },
  { groups: 10_000, topics: 10, partitions: 10 },
  { groups: 200_000, topics: 1, partitions: 5 },
]
const fromLog = { offset: 0, producerId: -1n, producerEpoch: -1 }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** As decoders make them: one of its own in every record. */
const fresh = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')

function usedBytes(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function* recordsOf(group: number, { topics, partitions }: Shape) {
  for (let topic = 0; topic < topics; topic++) {
    const id = new Uint8Array(16).fill(topic + 1)
    for (let partition = 0; partition < partitions; partition++) {
      const topicId: Uuid = uuidFromBytes(id)
      const times = { commitTimestamp: 1_700_000_000_000 + partition, expireTimestamp: -1 }
      const committed = { offset: 5_000_000_000 + partition, leaderEpoch: 3, metadata: '', ...times, topicId }
      yield offsetRecord(fresh(`consumer-group-${group}`), fresh(`some-topic-${topic}`), partition, committed)
    }
  }
}

function replay(offsets: GroupOffsets, shape: Shape): number {
  let cpuMicros = 0
  for (let group = 0; group < shape.groups; group++) {
    const records = [...recordsOf(group, shape)]
    const since = process.cpuUsage()
    for (const record of records) offsets.replay(record, fromLog)
    const { user, system } = process.cpuUsage(since)
    cpuMicros += user + system
  }
  return cpuMicros
}

function measure(shape: Shape): void {
  const context = { ...groupShardParts(new TestTopics([])), logger: silentLogger, groups: new Map() }
  const before = usedBytes()
  const offsets = new GroupOffsets(context, groupId => new ClassicGroup(groupId))
  const cpuMicros = replay(offsets, shape)
  const count = offsets.counts.offsets
  const bytes = Math.round((usedBytes() - before) / count)
  const { groups, topics, partitions } = shape
  const cpu = `${(cpuMicros / 1_000).toFixed(0)} ms of CPU to replay`
  console.log(
    `${count} offsets: ${groups} groups × ${topics} topics × ${partitions} partitions: ${bytes} bytes each, ${cpu}`,
  )
  console.log(JSON.stringify({ bench: 'offset-memory', ...shape, bytes, cpuMicros }))
}

for (const shape of shapes) {
  measure(shape)
  // In a turn of its own, so that nothing of the last one is in use any more.
  await setImmediate()
}
