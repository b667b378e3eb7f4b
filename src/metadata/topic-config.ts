/** Configs of topics as the layers above use them; the definitions are in src/config. */
import type { CompactionSettings, LogSettings } from '../base/world.ts'
import { type Configs, parseConfig } from '../config/definition.ts'
import { topicDefinitions } from '../config/topic-definitions.ts'
import type { TopicSettings } from '../config/topic-settings.ts'

export { ConfigSource } from '../config/broker-layers.ts'
export { topicDefault as defaultOf } from '../config/topic-definitions.ts'
export { TopicSettings } from '../config/topic-settings.ts'

export type TopicConfigs = Configs

export const topicConfigNames: readonly string[] = [...topicDefinitions.keys()]

/** Why a value cannot be taken, or undefined when it can. */
export function refuseTopicConfig(name: string, value: string): string | undefined {
  const definition = topicDefinitions.get(name)
  if (definition === undefined) return `Unknown topic config name: ${name}`
  const parsed = parseConfig(definition, value)
  return parsed.ok ? undefined : parsed.error
}

export function logSettings(topic: TopicSettings): LogSettings {
  const policy = topic.list('cleanup.policy')
  const compaction = policy.includes('compact') ? compactionSettings(topic) : undefined
  return {
    segmentBytes: topic.number('segment.bytes'),
    // What waits for compaction in the segment that is written must leave it in time, as in Kafka.
    segmentMs: Math.min(topic.number('segment.ms'), compaction?.maxLagMs ?? Number.POSITIVE_INFINITY),
    indexIntervalBytes: topic.number('index.interval.bytes'),
    segmentIndexBytes: topic.number('segment.index.bytes'),
    maxMessageBytes: topic.number('max.message.bytes'),
    timestampBeforeMaxMs: topic.number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: topic.number('message.timestamp.after.max.ms'),
    logAppendTime: topic.text('message.timestamp.type') === 'LogAppendTime',
    requireKeys: compaction !== undefined,
    flushMs: topic.number('flush.ms'),
    flushMessages: topic.number('flush.messages'),
    segmentJitterMs: topic.number('segment.jitter.ms'),
    deletes: policy.includes('delete'),
    retentionMs: topic.number('retention.ms'),
    retentionBytes: topic.number('retention.bytes'),
    compaction,
  }
}

function compactionSettings(topic: TopicSettings): CompactionSettings {
  return {
    minCleanableRatio: topic.number('min.cleanable.dirty.ratio'),
    minLagMs: topic.number('min.compaction.lag.ms'),
    maxLagMs: topic.number('max.compaction.lag.ms'),
    deleteRetentionMs: topic.number('delete.retention.ms'),
  }
}
