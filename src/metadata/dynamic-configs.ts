import { ok, type Result } from '../base/result.ts'
import { SerialQueue } from '../base/serial-queue.ts'
import type { ConfigRefusal, Decide } from '../config/change.ts'
import type { Configs } from '../config/definition.ts'
import type { MetadataStore } from './store.ts'

/** What has configs that are set at run time alone; those of a topic are kept with the topic. */
export type DynamicResource = 'broker' | 'client-metrics' | 'group'

const prefix = (resource: DynamicResource): string => `configs/${resource}/`

/** Configs that were set at run time, in the metadata: the broker '' stands for all brokers. */
export class DynamicConfigs {
  private readonly store: MetadataStore
  private readonly queue = new SerialQueue()

  constructor(store: MetadataStore) {
    this.store = store
  }

  get(resource: DynamicResource, name: string): Configs {
    return (this.store.get(prefix(resource) + name)?.value as Configs | undefined) ?? {}
  }

  /** Names that something is set for, in order. */
  names(resource: DynamicResource): string[] {
    return this.store.list(prefix(resource)).map(([key]) => key.slice(prefix(resource).length))
  }

  /** Changes what one resource has; when it returns, the change is durable and seen. One change at a time. */
  change(resource: DynamicResource, name: string, decide: Decide): Promise<Result<Configs, ConfigRefusal>> {
    return this.queue.run(async () => {
      const key = prefix(resource) + name
      for (;;) {
        const before = this.store.get(key)
        const current = (before?.value as Configs | undefined) ?? {}
        const decided = decide(current)
        if (!decided.ok || sameConfigs(decided.value, current)) return decided
        const left = Object.keys(decided.value).length > 0
        const { committed } = await this.store.commit({
          compare: [{ key, revision: before?.revision ?? 0 }],
          put: left ? [{ key, value: decided.value }] : [],
          remove: left ? [] : [key],
        })
        // Not committed: somebody else changed it meanwhile, and the decision is made again on what is there now.
        if (committed) return ok(decided.value)
      }
    })
  }

  /** Calls `listener` with what a resource has after each change, until the returned function is called. */
  watch(resource: DynamicResource, listener: (name: string, configs: Configs) => void): () => void {
    return this.store.watch(prefix(resource), ({ key, entry }) =>
      listener(key.slice(prefix(resource).length), (entry?.value as Configs | undefined) ?? {}),
    )
  }
}

export function sameConfigs(a: Configs, b: Configs): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && a[name] === b[name])
}
