import type { Logger } from '../base/logger.ts'
import type { Network } from '../base/world.ts'
import { type DynamicLayer, LiveSettings } from '../config/live-settings.ts'
import type { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import type { BrokerConfig } from './config.ts'

/** What the broker runs with: what it was started with, and what the metadata say was changed since, now and later. */
export function liveSettings(config: BrokerConfig, dynamic: DynamicConfigs, logger: Logger): LiveSettings {
  const live = new LiveSettings(config.statics)
  const layers = new Map<string, DynamicLayer>([
    ['', 'dynamicDefault'],
    [String(config.nodeId), 'dynamicBroker'],
  ])
  const follow = (name: string, configs: Readonly<Record<string, string>>) => {
    const layer = layers.get(name)
    const refused = layer === undefined ? [] : live.replace(layer, configs)
    if (refused.length > 0) logger.warn({ broker: name, names: refused }, 'these stored configs have no effect')
  }
  for (const name of layers.keys()) follow(name, dynamic.get('broker', name))
  dynamic.watch('broker', follow)
  return live
}

/** The network's limits are what the settings say, from the start on. */
export function followConnectionLimits(live: LiveSettings, network: Network): void {
  live.onChange(({ maxConnections, maxConnectionsPerIp }, before) => {
    if (maxConnections !== before.maxConnections || maxConnectionsPerIp !== before.maxConnectionsPerIp)
      network.limitConnections(maxConnections, maxConnectionsPerIp)
  })
}
