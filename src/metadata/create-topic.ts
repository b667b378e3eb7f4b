import { ok, type Result } from '../base/result.ts'
import { ErrorCode, type Uuid } from '../protocol/index.ts'
import { type ClusterImage, clusterMetadataTopic, type PartitionImage, type TopicImage } from './image.ts'
import {
  maxPartitionsPerTopic,
  type PlacementDefaults,
  placeAsAssigned,
  placeFreely,
  type Refusal,
  refuse,
} from './placement.ts'
import { refuseTopicConfig, type TopicConfigs } from './topic-config.ts'

export interface NewTopic {
  readonly name: string
  /** -1: the default, or as many as `assignments` says. */
  readonly numPartitions: number
  readonly replicationFactor: number
  /** Empty: the broker chooses. */
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[]
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

const topicNameMax = 249

/** Why a topic cannot have this name, in Kafka's rules; undefined when it can. */
export function refuseTopicName(name: string): string | undefined {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > topicNameMax)
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${topicNameMax}`
  if (!/^[A-Za-z0-9._-]+$/.test(name))
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return undefined
}

/** Decides what a new topic looks like, or why there cannot be one, checking in Kafka's order. Nothing has happened yet. */
export function planTopic(
  image: ClusterImage,
  request: NewTopic,
  defaults: PlacementDefaults,
  newId: () => Uuid,
): Result<TopicImage, Refusal> {
  const { name } = request
  if (name === clusterMetadataTopic)
    return refuse(ErrorCode.INVALID_REQUEST, `Creation of internal topic ${name} is prohibited.`)
  const badName = refuseTopicName(name)
  if (badName !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, badName)
  if (image.topic(name) !== undefined) return refuse(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`)
  const rival = image.collision(name)
  if (rival !== undefined)
    return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${rival}`)
  const configs = checkConfigs(request)
  if (!configs.ok) return configs
  const partitions = request.assignments.length > 0 ? placeAsAsked(request, defaults) : placeCounted(request, defaults)
  return partitions.ok ? ok({ name, id: newId(), partitions: partitions.value, configs: configs.value }) : partitions
}

/** How many partitions a topic asks for, as they count against the limit of a request; 0 when it asks for nonsense. */
export function partitionsAsked({ assignments, numPartitions }: NewTopic, defaults: PlacementDefaults): number {
  if (assignments.length > 0) return assignments.length
  return numPartitions === -1 ? defaults.numPartitions : Math.max(numPartitions, 0)
}

function placeCounted(request: NewTopic, defaults: PlacementDefaults): Result<PartitionImage[], Refusal> {
  const { numPartitions, replicationFactor } = request
  if (replicationFactor < -1 || replicationFactor === 0)
    return refuse(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  if (numPartitions < -1 || numPartitions === 0)
    return refuse(ErrorCode.INVALID_PARTITIONS, 'Number of partitions was set to an invalid non-positive value.')
  const count = partitionsAsked(request, defaults)
  if (count > maxPartitionsPerTopic) return refuse(ErrorCode.POLICY_VIOLATION, tooManyPartitions)
  const factor = replicationFactor === -1 ? defaults.replicationFactor : replicationFactor
  return placeFreely(count, factor, defaults)
}

function placeAsAsked(request: NewTopic, defaults: PlacementDefaults): Result<PartitionImage[], Refusal> {
  const { assignments } = request
  if (request.replicationFactor !== -1)
    return refuse(
      ErrorCode.INVALID_REQUEST,
      'A manual partition assignment was specified, but replication factor was not set to -1.',
    )
  if (request.numPartitions !== -1)
    return refuse(
      ErrorCode.INVALID_REQUEST,
      'A manual partition assignment was specified, but numPartitions was not set to -1.',
    )
  if (assignments.length > maxPartitionsPerTopic) return refuse(ErrorCode.POLICY_VIOLATION, tooManyPartitions)
  const byIndex = new Map<number, readonly number[]>()
  for (const { partitionIndex, brokerIds } of assignments) {
    if (byIndex.has(partitionIndex))
      return refuse(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `Found multiple manual partition assignments for partition ${partitionIndex}`,
      )
    byIndex.set(partitionIndex, brokerIds)
  }
  const placed = placeAsAssigned([...byIndex.values()], defaults)
  if (!placed.ok) return placed
  const indexes = [...byIndex.keys()]
  const partitions: PartitionImage[] = []
  placed.value.forEach((partition, at) => {
    if (indexes[at]! >= 0 && indexes[at]! < indexes.length) partitions[indexes[at]!] = partition
  })
  // Distinct indexes within bounds are as many as there are assignments only if none is missing.
  if (Object.keys(partitions).length !== indexes.length)
    return refuse(ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'partitions should be a consecutive 0-based integer sequence')
  return ok(partitions)
}

export const tooManyPartitions = 'Excessively large number of partitions per request.'

function checkConfigs({ configs }: NewTopic): Result<TopicConfigs, Refusal> {
  const withoutValue = configs.filter(({ value }) => value === null).map(({ name }) => name)
  if (withoutValue.length > 0)
    return refuse(ErrorCode.INVALID_CONFIG, `Null value not supported for topic configs: ${withoutValue.join(',')}`)
  const checked: Record<string, string> = {}
  for (const { name, value } of configs) {
    if (value === null) continue
    const why = refuseTopicConfig(name, value)
    if (why !== undefined) return refuse(ErrorCode.INVALID_CONFIG, why)
    checked[name] = value
  }
  return ok(checked)
}
