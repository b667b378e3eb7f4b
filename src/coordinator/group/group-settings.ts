/** Kafka's broker configs that groups go by; read when they are used, as they may change while the broker runs. */
export interface GroupSettings {
  readonly minSessionTimeoutMs: number // group.min.session.timeout.ms
  readonly maxSessionTimeoutMs: number // group.max.session.timeout.ms
  readonly initialRebalanceDelayMs: number // group.initial.rebalance.delay.ms
  readonly maxSize: number // group.max.size
  readonly offsetMetadataMaxBytes: number // offset.metadata.max.bytes
  readonly offsetsRetentionMs: number // offsets.retention.minutes
  readonly offsetsRetentionCheckMs: number // offsets.retention.check.interval.ms
  /** In the order in which they are preferred. */
  readonly consumerAssignors: readonly string[] // group.consumer.assignors
  readonly consumerMaxSize: number // group.consumer.max.size
  readonly consumerMigration: 'disabled' | 'upgrade' | 'downgrade' | 'bidirectional' // group.consumer.migration.policy
  /** How long the answer to a regular expression may be used before topics are looked at again. */
  readonly consumerRegexRefreshMs: number // group.consumer.regex.refresh.interval.ms
  /** What holds for one KIP-848 group: its own configs, within the broker's bounds. */
  consumer(groupId: string): ConsumerGroupSettings
}

export interface ConsumerGroupSettings {
  readonly sessionTimeoutMs: number // consumer.session.timeout.ms
  readonly heartbeatIntervalMs: number // consumer.heartbeat.interval.ms
  readonly assignmentIntervalMs: number // consumer.assignment.interval.ms
}
