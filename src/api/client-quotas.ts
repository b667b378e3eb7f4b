import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { alterClientQuotas } from '../protocol/schema/alter-client-quotas.ts'
import { describeClientQuotas } from '../protocol/schema/describe-client-quotas.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

const invalid = (message: string): Refusal => ({ code: ErrorCode.INVALID_REQUEST, message })

/** DescribeClientQuotas v0-1: filters are checked as Kafka checks them, and no quota matches, as there is none. */
export const serveDescribeClientQuotas = (): ApiHandler =>
  serve(describeClientQuotas, { min: 0, max: 1 }, ({ components }) => {
    const refused = refuseFilter(components)
    if (refused === undefined) return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: '', entries: [] }
    return { throttleTimeMs: 0, errorCode: refused.code, errorMessage: refused.message, entries: null }
  })

type Component = RequestOf<typeof describeClientQuotas>['components'][number]

const entityTypes = new Set(['user', 'client-id', 'ip'])

function refuseFilter(components: readonly Component[]): Refusal | undefined {
  const seen = new Set<string>()
  for (const component of components) {
    const { entityType } = component
    if (entityType === '') return invalid('Invalid empty entity type.')
    if (seen.has(entityType)) return invalid(`Entity type ${entityType} cannot appear more than once in the filter.`)
    if (!entityTypes.has(entityType))
      return { code: ErrorCode.UNSUPPORTED_VERSION, message: `Unsupported entity type ${entityType}` }
    const badMatch = refuseMatch(component)
    if (badMatch !== undefined) return invalid(badMatch)
    seen.add(entityType)
  }
  if (!seen.has('ip') || seen.size === 1) return undefined
  return invalid(
    'Invalid entity filter component combination. IP filter component should not be used with user or clientId ' +
      'filter component.',
  )
}

/** Kafka's numbers of what a component matches: one name, the default entity, any that is specified. */
const matchNames = ['EXACT', 'DEFAULT', 'SPECIFIED'] as const

function refuseMatch({ matchType, match }: Component): string | undefined {
  const name = matchNames[matchType]
  if (name === undefined) return `Unknown match type ${matchType}`
  if (name === 'EXACT')
    return match === null ? 'Request specified MATCH_TYPE_EXACT, but set match string to null.' : undefined
  return match === null ? undefined : `Request specified MATCH_TYPE_${name}, but also specified a match string.`
}

/**
 * AlterClientQuotas v0-1: nothing here throttles a client, and a quota that is kept and not held would be a lie: what is
 * well-formed is refused as UNSUPPORTED_VERSION, what is not in Kafka's words. To remove a quota succeeds, as in Kafka
 * where there is none.
 */
export const serveAlterClientQuotas = (): ApiHandler =>
  serve(alterClientQuotas, { min: 0, max: 1, wide: true }, async (request, context) => {
    const share = new TurnShare(context)
    const entries: ResponseInput<typeof alterClientQuotas>['entries'][number][] = []
    for (const { entity, ops } of request.entries) {
      const refused = refuseAlteration(entity, ops)
      entries.push({
        errorCode: refused?.code ?? ErrorCode.NONE,
        errorMessage: refused?.message ?? null,
        entity,
      })
      const due = share.spend(1 + entity.length + ops.length)
      if (due !== undefined) await due
    }
    return { throttleTimeMs: 0, entries }
  })

type Alteration = RequestOf<typeof alterClientQuotas>['entries'][number]

/** An entity is judged in one turn; Kafka has three types of them and five quotas. */
const maxOfOne = 100

const notEnforced: Refusal = {
  code: ErrorCode.UNSUPPORTED_VERSION,
  message: 'This broker enforces no client quotas: none can be set.',
}

function refuseAlteration(entity: Alteration['entity'], ops: Alteration['ops']): Refusal | undefined {
  if (entity.length > maxOfOne || ops.length > maxOfOne)
    return invalid(`An entity and its changes may have ${maxOfOne} parts each at most.`)
  const keys = new Set(ops.map(({ key }) => key))
  if (keys.size < ops.length) return invalid(`Ignoring duplicate entity ${entityText(entity)}`)
  const badEntity = refuseEntity(entity)
  if (badEntity !== undefined) return invalid(badEntity)
  const limits = entity.some(({ entityType }) => entityType === 'ip') ? ipQuotas : userQuotas
  for (const { key, value, remove } of ops) {
    const bad = remove ? undefined : refuseQuota(limits, key, value)
    if (bad !== undefined) return invalid(bad)
  }
  return ops.some(({ remove }) => !remove) ? notEnforced : undefined
}

/** As Kafka prints an entity. */
const entityText = (entity: Alteration['entity']): string =>
  `ClientQuotaEntity(entries={${entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(', ')}})`

function refuseEntity(entity: Alteration['entity']): string | undefined {
  if (entity.length === 0) return 'Invalid empty client quota entity'
  for (const { entityType, entityName } of entity) {
    if (!entityTypes.has(entityType)) return `Unhandled client quota entity type: ${entityType}`
    if (entityName === '') return `Empty ${entityType} not supported`
  }
  const types = new Set(entity.map(({ entityType }) => entityType))
  if (!types.has('ip') || types.size === 1) return undefined
  return 'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId'
}

interface QuotaType {
  readonly name: string
  readonly max: number
  readonly fractional: boolean
}

const double: QuotaType = { name: 'DOUBLE', max: Number.POSITIVE_INFINITY, fractional: true }
const long: QuotaType = { name: 'a LONG', max: 2 ** 63, fractional: false }
const int: QuotaType = { name: 'an INT', max: 0x7fffffff, fractional: false }

const userQuotas = new Map([
  ['producer_byte_rate', long],
  ['consumer_byte_rate', long],
  ['request_percentage', double],
  ['controller_mutation_rate', double],
])
const ipQuotas = new Map([['connection_creation_rate', int]])

function refuseQuota(quotas: ReadonlyMap<string, QuotaType>, key: string, value: number): string | undefined {
  const type = quotas.get(key)
  if (type === undefined) return `Invalid configuration key ${key}`
  if (value <= 0) return `Quota ${key} must be greater than 0`
  if (value > type.max) return `Proposed value for ${key} is too large for ${type.name}.`
  return type.fractional || value % 1 <= 1e-6 ? undefined : `${key} cannot be a fractional value.`
}
