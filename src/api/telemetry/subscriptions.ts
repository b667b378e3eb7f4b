import { type Configs, parseList } from '../../config/definition.ts'
import { clientMetricsDefinitions } from '../../config/group-definitions.ts'
import type { DynamicConfigs } from '../../metadata/dynamic-configs.ts'

/** What a subscription may match clients by; a client of which an attribute is not known does not match it. */
export interface ClientAttributes {
  readonly client_instance_id: string
  readonly client_id: string | undefined
  readonly client_software_name: string | undefined
  readonly client_software_version: string | undefined
  readonly client_source_address: string
  readonly client_source_port: string
}

/** What one client is to push, and how often. */
export interface Wanted {
  readonly intervalMs: number
  /** Prefixes of names; `*` for all, alone. */
  readonly metrics: readonly string[]
}

interface Subscription {
  readonly intervalMs: number
  readonly metrics: readonly string[]
  /** Each has to match its whole attribute. */
  readonly match: readonly (readonly [attribute: string, pattern: RegExp])[]
}

const everything = '*'
const defaultIntervalMs = Number(clientMetricsDefinitions.get('interval.ms')!.default)

/** The client metrics subscriptions that are configured. */
export class Subscriptions {
  /** Grows with each change. */
  version = 0
  private readonly dynamic: DynamicConfigs
  private parsed: readonly Subscription[] | undefined

  constructor(dynamic: DynamicConfigs) {
    this.dynamic = dynamic
    dynamic.watch('client-metrics', () => {
      this.version++
      this.parsed = undefined
    })
  }

  /** All metrics of all subscriptions that match, at the shortest of their intervals. */
  wantedOf(client: ClientAttributes): Wanted {
    this.parsed ??= this.dynamic.names('client-metrics').map(name => parse(this.dynamic.get('client-metrics', name)))
    const matching = this.parsed.filter(({ match }) => match.every(([name, pattern]) => matches(client, name, pattern)))
    const metrics = new Set(matching.flatMap(subscription => subscription.metrics))
    return {
      intervalMs: Math.min(defaultIntervalMs, ...matching.map(({ intervalMs }) => intervalMs)),
      metrics: metrics.has(everything) ? [everything] : [...metrics].sort(),
    }
  }
}

function matches(client: ClientAttributes, name: string, pattern: RegExp): boolean {
  const attribute = new Map<string, string | undefined>(Object.entries(client)).get(name)
  return attribute !== undefined && pattern.test(attribute)
}

/** Of configs that were checked when they were set. */
function parse({ 'interval.ms': interval, metrics = '', match = '' }: Configs): Subscription {
  return {
    intervalMs: Number(interval ?? defaultIntervalMs),
    metrics: parseList(metrics),
    match: parseList(match).map(pattern => {
      const [name, expression] = pattern.split('=')
      return [name!.trim(), new RegExp(`^(?:${expression!.trim()})$`)] as const
    }),
  }
}
