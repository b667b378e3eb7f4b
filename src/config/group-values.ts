import { assignorName } from './checks.ts'
import { parseList } from './definition.ts'

/** An interval that groups may set for themselves, and between which bounds. */
export interface GroupInterval {
  readonly defaultMs: number
  readonly minMs: number
  readonly maxMs: number
}

export type ConsumerMigration = 'disabled' | 'upgrade' | 'downgrade' | 'bidirectional'

/** What a coordinator's topic is made with. */
export interface CoordinatorTopicValues {
  readonly partitions: number // offsets.topic.num.partitions, transaction.state.log.num.partitions
  readonly replicationFactor: number // offsets.topic.replication.factor, transaction.state.log.replication.factor
  readonly segmentBytes: number // offsets.topic.segment.bytes, transaction.state.log.segment.bytes
  /** Undefined: as other topics have it. */
  readonly minInSyncReplicas?: number // transaction.state.log.min.isr
}

/** What the broker's configs say of consumer groups. */
export interface LiveGroupValues {
  readonly minSessionTimeoutMs: number // group.min.session.timeout.ms
  readonly maxSessionTimeoutMs: number // group.max.session.timeout.ms
  readonly initialRebalanceDelayMs: number // group.initial.rebalance.delay.ms
  readonly maxSize: number // group.max.size
  readonly offsetMetadataMaxBytes: number // offset.metadata.max.bytes
  readonly commitTimeoutMs: number // offsets.commit.timeout.ms
  readonly appendLingerMs: number // group.coordinator.append.linger.ms
  readonly offsetsTopic: CoordinatorTopicValues
  readonly offsetsRetentionMs: number // offsets.retention.minutes
  readonly offsetsRetentionCheckMs: number // offsets.retention.check.interval.ms
  /** KIP-848 groups are served (group.coordinator.rebalance.protocols). */
  readonly consumerProtocol: boolean
  readonly consumerAssignors: readonly string[] // group.consumer.assignors
  readonly consumerMaxSize: number // group.consumer.max.size
  readonly consumerMigration: ConsumerMigration // group.consumer.migration.policy
  readonly consumerRegexRefreshMs: number // group.consumer.regex.refresh.interval.ms
  readonly consumerSessionTimeout: GroupInterval // group.consumer.[min.|max.]session.timeout.ms
  readonly consumerHeartbeatInterval: GroupInterval // group.consumer.[min.|max.]heartbeat.interval.ms
  readonly consumerAssignmentInterval: GroupInterval // group.consumer.[min.|max.]assignment.interval.ms
}

const minuteMs = 60_000

/** Broker configs in their canonical form. */
export type ConfigText = (name: string) => string

export function groupValues(text: ConfigText): LiveGroupValues {
  const number = (name: string): number => Number(text(name))
  const interval = (what: string): GroupInterval => ({
    defaultMs: number(`group.consumer.${what}`),
    minMs: number(`group.consumer.min.${what}`),
    maxMs: number(`group.consumer.max.${what}`),
  })
  return {
    minSessionTimeoutMs: number('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: number('group.max.session.timeout.ms'),
    initialRebalanceDelayMs: number('group.initial.rebalance.delay.ms'),
    maxSize: number('group.max.size'),
    offsetMetadataMaxBytes: number('offset.metadata.max.bytes'),
    commitTimeoutMs: number('offsets.commit.timeout.ms'),
    appendLingerMs: number('group.coordinator.append.linger.ms'),
    offsetsTopic: {
      partitions: number('offsets.topic.num.partitions'),
      replicationFactor: number('offsets.topic.replication.factor'),
      segmentBytes: number('offsets.topic.segment.bytes'),
    },
    offsetsRetentionMs: number('offsets.retention.minutes') * minuteMs,
    offsetsRetentionCheckMs: number('offsets.retention.check.interval.ms'),
    consumerProtocol: parseList(text('group.coordinator.rebalance.protocols')).includes('consumer'),
    consumerAssignors: parseList(text('group.consumer.assignors')).map(given => assignorName(given)!),
    consumerMaxSize: number('group.consumer.max.size'),
    consumerMigration: text('group.consumer.migration.policy').toLowerCase() as ConsumerMigration,
    consumerRegexRefreshMs: number('group.consumer.regex.refresh.interval.ms'),
    consumerSessionTimeout: interval('session.timeout.ms'),
    consumerHeartbeatInterval: interval('heartbeat.interval.ms'),
    consumerAssignmentInterval: interval('assignment.interval.ms'),
  }
}

/** Why these broker configs may not stand together, in Kafka's words. */
export function refuseGroupValues(text: ConfigText): string | undefined {
  const number = (name: string): number => Number(text(name))
  if (!parseList(text('group.coordinator.rebalance.protocols')).includes('classic'))
    return "Disabling the 'classic' protocol is not supported"
  for (const what of ['heartbeat.interval.ms', 'session.timeout.ms', 'assignment.interval.ms']) {
    const [own, min, max] = [`group.consumer.${what}`, `group.consumer.min.${what}`, `group.consumer.max.${what}`]
    if (number(max) < number(min)) return `${max} must be greater than or equal to ${min}`
    if (number(own) < number(min)) return `${own} must be greater than or equal to ${min}`
    if (number(own) > number(max)) return `${own} must be less than or equal to ${max}`
  }
  const [heartbeat, session] = ['group.consumer.heartbeat.interval.ms', 'group.consumer.session.timeout.ms']
  return number(heartbeat) < number(session) ? undefined : `${heartbeat} must be less than ${session}`
}
