import { atLeast, atMost } from '../lib/goals.ts'
import { fillKeyedTopic, type KeyedTopic } from '../lib/keyed-topic.ts'
import { runLoad } from '../lib/loadgen.ts'
import type { Compaction } from '../lib/measure.ts'
import { latency, metrics, timesAlone } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'
import type { RunningBroker } from '../lib/sides.ts'

const rate = 1_000
/** Enough for the cleaner's own speed. */
const aloneBytes = 1_000_000_000
const compactionLimitMs = 600_000

/** Has the topic compacted; resolves with what that took when each of its partitions is. */
const compact = async (topic: KeyedTopic, broker: RunningBroker): Promise<Compaction> => {
  const { onLog } = broker
  if (onLog === undefined) throw new Error('what a cleaner does is known only from the log of a broker started here')
  const total = { bytesRead: 0, bytesWritten: 0, seconds: 0 }
  const done = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${topic.name} is not compacted yet`)), compactionLimitMs)
    const left = new Set(Array.from({ length: topic.partitions }, (_, index) => `${topic.name}-${index}`))
    onLog(({ msg, log, bytesRead, bytesWritten, ms, message }) => {
      if (!left.has(String(log))) return
      if (msg !== 'compacted') {
        clearTimeout(timer)
        reject(new Error(`${log}: ${msg}: ${message}`))
        return
      }
      total.bytesRead += Number(bytesRead)
      total.bytesWritten += Number(bytesWritten)
      total.seconds += Number(ms) / 1000
      left.delete(String(log))
      if (left.size > 0) return
      clearTimeout(timer)
      resolve()
    })
  })
  await topic.compact()
  await done
  return total
}

/** What the compaction of a topic does to those who write to others, and how fast it is by itself. */
export const compaction: Question = {
  name: 'compaction',
  columns: [
    timesAlone('p99'),
    metrics.megabytesCompacted,
    latency('p99'),
    latency('p99_9'),
    metrics.megabytesCompactedBeside,
    metrics.compactedShare,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [
    {
      name: `open loop, ${rate.toLocaleString('en-US')} requests/s, alone and while keyed records are compacted`,
      acks: '1',
      promised: 'written',
      replyBytes: undefined,
      fillsMemory: true,
      goals: [atMost(timesAlone('p99'), 2), atLeast(metrics.megabytesCompacted, 200)],
      // It looks at once for what has become due.
      brokerConfig: { 'log.cleaner.backoff.ms': '100' },
      load: async (base, broker, side, options) => {
        const configs = side.topicConfigs('1', 'written')
        const fill = (name: string, bytes: number) =>
          fillKeyedTopic(broker.address, `${base.topic}-${name}`, bytes, configs)
        const large = await fill('large', options.compactedBytes)
        const small = await fill('small', Math.min(aloneBytes, options.compactedBytes))
        const load = (name: string) =>
          runLoad('produce', {
            ...base,
            topic: `${base.topic}-${name}`,
            rate,
            acks: '1',
            connections: 16,
            partitions: 8,
            'record-bytes': 100,
            'topic-config': configs,
          })
        const alone = await load('alone')
        const [measured, beside] = await Promise.all([load('beside'), compact(large, broker)])
        const compaction = { beside, alone: await compact(small, broker) }
        await large.remove()
        await small.remove()
        return { load: measured, alone, compaction }
      },
    },
  ],
}
