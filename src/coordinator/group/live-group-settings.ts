import { groupConfigEntries } from '../../config/group-definitions.ts'
import type { GroupInterval, LiveGroupValues } from '../../config/group-values.ts'
import type { LiveSettings } from '../../config/live-settings.ts'
import type { DynamicConfigs } from '../../metadata/dynamic-configs.ts'
import type { ConsumerGroupSettings, GroupSettings } from './group-settings.ts'

/** Settings of groups as they stand: the broker's configs and those of each group, changed at any time. */
export class LiveGroupSettings implements GroupSettings {
  private readonly live: LiveSettings
  private readonly dynamic: Pick<DynamicConfigs, 'get' | 'names' | 'watch'>
  /** What groups have that set configs of their own. */
  private readonly own = new Map<string, ConsumerGroupSettings>()
  /** What all others have. */
  private common: ConsumerGroupSettings

  constructor(live: LiveSettings, dynamic: Pick<DynamicConfigs, 'get' | 'names' | 'watch'>) {
    this.live = live
    this.dynamic = dynamic
    this.common = this.settingsOf({})
    for (const name of dynamic.names('group')) this.refresh(name)
    dynamic.watch('group', name => this.refresh(name))
    live.onChange(() => {
      this.common = this.settingsOf({})
      for (const name of this.own.keys()) this.refresh(name)
    })
  }

  get minSessionTimeoutMs(): number {
    return this.values.minSessionTimeoutMs
  }
  get maxSessionTimeoutMs(): number {
    return this.values.maxSessionTimeoutMs
  }
  get initialRebalanceDelayMs(): number {
    return this.values.initialRebalanceDelayMs
  }
  get maxSize(): number {
    return this.values.maxSize
  }
  get offsetMetadataMaxBytes(): number {
    return this.values.offsetMetadataMaxBytes
  }
  get offsetsRetentionMs(): number {
    return this.values.offsetsRetentionMs
  }
  get offsetsRetentionCheckMs(): number {
    return this.values.offsetsRetentionCheckMs
  }
  get consumerAssignors(): readonly string[] {
    return this.values.consumerAssignors
  }
  get consumerMaxSize(): number {
    return this.values.consumerMaxSize
  }
  get consumerMigration(): GroupSettings['consumerMigration'] {
    return this.values.consumerMigration
  }
  get consumerRegexRefreshMs(): number {
    return this.values.consumerRegexRefreshMs
  }

  consumer(groupId: string): ConsumerGroupSettings {
    return this.own.get(groupId) ?? this.common
  }

  private get values(): LiveGroupValues {
    return this.live.current.groups
  }

  private refresh(groupId: string): void {
    const configs = this.dynamic.get('group', groupId)
    if (Object.keys(configs).length === 0) this.own.delete(groupId)
    else this.own.set(groupId, this.settingsOf(configs))
  }

  /** A value that was set while the broker's bounds were wider counts as the nearest one within them. */
  private settingsOf(configs: Readonly<Record<string, string>>): ConsumerGroupSettings {
    const { values } = this
    const bounded = (name: string, { minMs, maxMs }: GroupInterval): number => {
      const setMs = Number(groupConfigEntries(name, configs, this.live.layers)[0]!.value)
      return Math.min(Math.max(setMs, minMs), maxMs)
    }
    return {
      sessionTimeoutMs: bounded('consumer.session.timeout.ms', values.consumerSessionTimeout),
      heartbeatIntervalMs: bounded('consumer.heartbeat.interval.ms', values.consumerHeartbeatInterval),
      assignmentIntervalMs: bounded('consumer.assignment.interval.ms', values.consumerAssignmentInterval),
    }
  }
}
