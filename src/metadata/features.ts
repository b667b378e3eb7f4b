import { MillraceError } from '../base/error.ts'
import { ok, type Result } from '../base/result.ts'
import { type FeatureUpdate, planFeatureUpdates } from './feature-updates.ts'
import type { MetadataStore } from './store.ts'

/** Levels of one of Kafka's features that this broker can work at. */
export interface SupportedFeature {
  readonly name: string
  readonly min: number
  readonly max: number
}

export interface FinalizedFeature {
  readonly name: string
  readonly level: number
}

/**
 * Kafka 4.4's features, at the levels whose behaviour this broker has. One that it can only work without (0 to 0) is not
 * told to clients, who would take it for the promise of a coordinator. `initial` is what a new cluster begins with.
 */
const features: readonly (SupportedFeature & { readonly initial: number })[] = [
  // Tools read the release from it, and nothing else depends on it. 33 is 4.4-IV2; a cluster begins at 29, 4.2-IV1: the
  // newest that kafka-ui knows, which takes a level that it does not know for a broker of Kafka 1.0.
  { name: 'metadata.version', min: 7, max: 33, initial: 29 },
  { name: 'kraft.version', min: 0, max: 0, initial: 0 },
  // 1: tagged fields in the coordinator's records. 2: a producer's epoch changes with each transaction, and writes add their
  // partitions (KIP-890); a client looks here before it leaves that to them.
  { name: 'transaction.version', min: 0, max: 2, initial: 2 },
  // 1: groups whose members the broker assigns (KIP-848). A client looks here before it speaks that protocol.
  { name: 'group.version', min: 0, max: 1, initial: 1 },
  { name: 'eligible.leader.replicas.version', min: 0, max: 0, initial: 0 },
  { name: 'share.version', min: 0, max: 0, initial: 0 },
  { name: 'streams.version', min: 0, max: 0, initial: 0 },
]

export const supportedFeatures: readonly SupportedFeature[] = features.filter(({ max }) => max > 0)

const known = (name: string): SupportedFeature | undefined => features.find(feature => feature.name === name)

const prefix = 'features/'
const keyOf = (name: string): string => `${prefix}${name}`

interface FeatureLevel {
  readonly level: number
}

/**
 * The levels that the cluster has agreed on, kept in the metadata store: whoever changes them there (key `features/<name>`,
 * value `{ level }`, 0 for none) changes what all brokers answer from then on.
 */
export class FeatureLevels {
  private readonly store: MetadataStore
  private readonly levels = new Map<string, number>()
  private newest = 0

  /** Reads and follows the store; a new cluster gets its first levels. Rejects when the levels are beyond this broker. */
  static async open(store: MetadataStore): Promise<FeatureLevels> {
    const missing = features.filter(({ name }) => store.get(keyOf(name)) === undefined)
    if (missing.length > 0)
      await store.commit({
        compare: missing.map(({ name }) => ({ key: keyOf(name), revision: 0 })),
        put: missing.map(({ name, initial }) => ({
          key: keyOf(name),
          value: { level: initial } satisfies FeatureLevel,
        })),
        remove: [],
      })
    const levels = new FeatureLevels(store)
    for (const [key, { value, revision }] of store.list(prefix)) levels.note(key, value as FeatureLevel, revision)
    levels.check()
    store.watch(prefix, ({ key, entry }) => {
      if (entry !== undefined) levels.note(key, entry.value as FeatureLevel, entry.revision)
    })
    return levels
  }

  private constructor(store: MetadataStore) {
    this.store = store
  }

  /** 0: the cluster works without it. */
  level(name: string): number {
    return this.levels.get(name) ?? 0
  }

  /** By name. */
  get finalized(): readonly FinalizedFeature[] {
    return [...this.levels].filter(([, level]) => level > 0).map(([name, level]) => ({ name, level }))
  }

  /** Grows with each change; clients keep the answer with the highest one. */
  get epoch(): number {
    return this.newest
  }

  /** Features below the level that a new cluster begins with: an upgrade of the broker leaves levels as they are. */
  get behind(): readonly FinalizedFeature[] {
    return features
      .filter(({ name, initial }) => this.level(name) < initial)
      .map(({ name }) => ({ name, level: this.level(name) }))
  }

  /**
   * Changes all these levels or none, and says why none. When it returns, the change is durable and in effect; rejects
   * when it could not be written.
   */
  async change(
    updates: readonly FeatureUpdate[],
    nodeId: number,
    validateOnly: boolean,
  ): Promise<Result<void, string>> {
    for (;;) {
      const planned = planFeatureUpdates(updates, name => this.level(name), known, nodeId)
      if (!planned.ok) return planned
      const changes = [...planned.value].filter(([name, level]) => level !== this.level(name))
      if (validateOnly || changes.length === 0) return ok(undefined)
      const { committed } = await this.store.commit({
        compare: changes.map(([name]) => ({ key: keyOf(name), revision: this.store.get(keyOf(name))?.revision ?? 0 })),
        put: changes.map(([name, level]) => ({ key: keyOf(name), value: { level } satisfies FeatureLevel })),
        remove: [],
      })
      // Not committed: somebody else changed one meanwhile, and the decision is made again on what is there now.
      if (committed) return ok(undefined)
    }
  }

  private note(key: string, { level }: FeatureLevel, revision: number): void {
    this.levels.set(key.slice(prefix.length), level)
    this.newest = Math.max(this.newest, revision)
  }

  private check(): void {
    for (const [name, level] of this.levels) {
      const { min, max } = known(name) ?? { min: 0, max: 0 }
      if (level >= min && level <= max) continue
      throw new MillraceError(
        'UNSUPPORTED_FEATURE',
        `The data directory is at level ${level} of ${name}, and this release knows ${min} to ${max}: start the release that wrote it.`,
      )
    }
  }
}
