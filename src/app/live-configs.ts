import type { Logger } from '../base/logger.ts'
import type { World } from '../base/world.ts'
import { type DynamicLayer, LiveSettings, type LiveValues } from '../config/live-settings.ts'
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

/**
 * Connections are limited as the settings say, and what they may take of the process's descriptors is kept from files,
 * with `ownDescriptors`, and from logs being written: now, when the network was started, and after each change.
 */
export function followConnectionLimits(
  live: LiveSettings,
  world: World,
  ownDescriptors: number,
  limitWritten: (logs: number) => void,
): void {
  const limit = ({ maxConnections, maxConnectionsPerIp }: LiveValues) => {
    world.network.limitConnections(maxConnections, maxConnectionsPerIp)
    limitWritten(world.storage.limitOpenFiles(maxConnections + ownDescriptors))
  }
  limit(live.current)
  live.onChange((now, before) => {
    if (now.maxConnections !== before.maxConnections || now.maxConnectionsPerIp !== before.maxConnectionsPerIp)
      limit(now)
  })
}
