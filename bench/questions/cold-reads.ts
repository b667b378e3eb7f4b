import { besideReader, fillColdTopic, readPlainly } from '../lib/cold-topic.ts'
import { atLeast, atMost } from '../lib/goals.ts'
import { runLoad } from '../lib/loadgen.ts'
import { latency, metrics, timesAlone } from '../lib/metrics.ts'
import type { Question } from '../lib/report.ts'

const rate = 1_000
const coldBytes = 4_000_000_000

/** What a consumer that reads from the disk does to those who write, and what it gets itself. */
export const coldReads: Question = {
  name: 'cold-reads',
  columns: [
    timesAlone('p99'),
    metrics.shareOfPlainRead,
    latency('p99'),
    latency('p99_9'),
    metrics.megabytesCold,
    metrics.brokerCores,
    metrics.generatorCores,
    metrics.elsewhereCores,
    metrics.resident,
  ],
  rows: [
    {
      name: `open loop, ${rate.toLocaleString('en-US')} requests/s, alone and while a client reads ${coldBytes / 1e9} GB from the disk`,
      acks: '1',
      promised: 'written',
      replyBytes: undefined,
      fillsMemory: true,
      goals: [atMost(timesAlone('p99'), 2), atLeast(metrics.shareOfPlainRead, 0.6)],
      load: async (base, broker, side) => {
        const topic = await fillColdTopic(base, broker, side, coldBytes)
        const plain = await readPlainly(topic)
        const load = (name: string) =>
          runLoad('produce', {
            ...base,
            topic: `${base.topic}-${name}`,
            rate,
            acks: '1',
            connections: 16,
            partitions: 8,
            'record-bytes': 100,
            'topic-config': side.topicConfigs('1', 'written'),
          })
        const alone = await load('alone')
        return { ...(await besideReader(topic, () => load('beside'))), alone, plain }
      },
    },
  ],
}
