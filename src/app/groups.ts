import type { Logger } from '../base/logger.ts'
import type { Random, World } from '../base/world.ts'
import type { LiveSettings } from '../config/live-settings.ts'
import { ClusterTopics } from '../coordinator/group/cluster-topics.ts'
import { GroupCoordinator } from '../coordinator/group/group-coordinator.ts'
import { GroupShard } from '../coordinator/group/group-shard.ts'
import { LiveGroupSettings } from '../coordinator/group/live-group-settings.ts'
import type { DynamicConfigs } from '../metadata/dynamic-configs.ts'
import type { ClusterImage } from '../metadata/image.ts'

export interface GroupParts {
  readonly world: Pick<World, 'random' | 'timers'>
  readonly image: ClusterImage
  readonly live: LiveSettings
  readonly dynamic: DynamicConfigs
  readonly logger: Logger
}

/** What makes the shards of groups, and the coordinator over whichever runtime holds them. */
export function groupShards({ world, image, live, dynamic, logger }: GroupParts) {
  let coordinator: GroupCoordinator | undefined
  const settings = new LiveGroupSettings(live, dynamic)
  const topics = new ClusterTopics(
    image,
    run => world.timers.soon(run),
    news => coordinator?.topicsChanged(news),
  )
  const newMemberId = (prefix?: string): string =>
    prefix === undefined ? randomUuid(world.random) : `${prefix}-${randomUuid(world.random)}`
  return {
    newShard: () => new GroupShard({ topics, settings, logger, newMemberId }),
    coordinate(shards: ConstructorParameters<typeof GroupCoordinator>[0]): GroupCoordinator {
      coordinator = new GroupCoordinator(shards, settings)
      return coordinator
    },
  }
}

/** A random (version 4) UUID as text, as Kafka's coordinator ends the ids of members. */
function randomUuid(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
