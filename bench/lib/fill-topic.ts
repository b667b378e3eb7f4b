import { type LoadOptions, runLoad } from './loadgen.ts'
import type { Side } from './sides.ts'

/** Writes a topic that is then read; `configs` beside what the side needs for acks=1. */
export const fillTopic = async (
  base: LoadOptions,
  side: Side,
  fill: { readonly partitions: number; readonly bytes: number; readonly configs?: readonly string[] },
): Promise<void> => {
  const { warmup, duration, pid, ...shared } = base
  await runLoad('produce', {
    ...shared,
    partitions: fill.partitions,
    acks: '1',
    connections: 4,
    depth: 4,
    'request-bytes': 1_000_000,
    'record-bytes': 1000,
    'total-bytes': fill.bytes,
    'keep-topic': true,
    'topic-config': [...side.topicConfigs('1', 'written'), ...(fill.configs ?? [])],
  })
}
