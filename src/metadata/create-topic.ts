import { err, ok, type Result } from '../base/result.ts'
import { ErrorCode, type Uuid } from '../protocol/index.ts'
import { type ClusterImage, clusterMetadataTopic, type PartitionImage, type TopicImage } from './image.ts'
import { refuseTopicConfig, type TopicConfigs } from './topic-config.ts'

export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
}

export interface NewTopic {
  readonly name: string
  /** -1: the default, or as many as `assignments` says. */
  readonly numPartitions: number
  readonly replicationFactor: number
  /** Replicas by partition index; empty: the broker chooses. */
  readonly assignments: ReadonlyMap<number, readonly number[]>
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

export interface PlacementDefaults {
  readonly nodeId: number
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly maxPartitions: number
}

const topicNameMax = 249
/** A topic's first leader epoch. */
const firstLeaderEpoch = 0

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

/** Decides what a new topic looks like, or why there cannot be one. Pure: nothing has happened yet. */
export function planTopic(
  image: ClusterImage,
  request: NewTopic,
  defaults: PlacementDefaults,
  newId: () => Uuid,
): Result<TopicImage, Refusal> {
  const refuse = (code: ErrorCode, message: string) => err({ code, message })
  const badName = refuseTopicName(request.name)
  if (badName !== undefined) return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, badName)
  if (request.name === clusterMetadataTopic)
    return refuse(ErrorCode.TOPIC_AUTHORIZATION_FAILED, `Topic '${request.name}' is kept by the broker itself.`)
  if (image.topic(request.name) !== undefined)
    return refuse(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${request.name}' already exists.`)
  const rival = collision(image, request.name)
  if (rival !== undefined)
    return refuse(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic '${request.name}' collides with existing topic: ${rival}`)
  const partitions = placePartitions(request, defaults)
  if (!partitions.ok) return partitions
  const configs = checkConfigs(request)
  if (!configs.ok) return configs
  return ok({ name: request.name, id: newId(), partitions: partitions.value, configs: configs.value })
}

/** '.' and '_' are one character in metric names, so two topics may not differ in them alone. */
function collision(image: ClusterImage, name: string): string | undefined {
  if (!/[._]/.test(name)) return undefined
  const folded = name.replaceAll('.', '_')
  for (const topic of image.topics()) if (topic.name.replaceAll('.', '_') === folded) return topic.name
  return undefined
}

function placePartitions(request: NewTopic, defaults: PlacementDefaults): Result<PartitionImage[], Refusal> {
  if (request.assignments.size > 0) return placeAsAssigned(request, defaults)
  const count = request.numPartitions === -1 ? defaults.numPartitions : request.numPartitions
  const factor = request.replicationFactor === -1 ? defaults.replicationFactor : request.replicationFactor
  if (count <= 0)
    return err({ code: ErrorCode.INVALID_PARTITIONS, message: 'Number of partitions must be larger than 0.' })
  if (count > defaults.maxPartitions)
    return err({
      code: ErrorCode.INVALID_PARTITIONS,
      message: `Number of partitions must be at most ${defaults.maxPartitions}.`,
    })
  if (factor <= 0)
    return err({
      code: ErrorCode.INVALID_REPLICATION_FACTOR,
      message: 'Replication factor must be larger than 0.',
    })
  if (factor > 1)
    return err({
      code: ErrorCode.INVALID_REPLICATION_FACTOR,
      message: `Unable to replicate the partition ${factor} time(s): only 1 broker is registered.`,
    })
  return ok(Array.from({ length: count }, () => placeOn([defaults.nodeId])))
}

function placeAsAssigned(
  request: NewTopic,
  { nodeId, maxPartitions }: PlacementDefaults,
): Result<PartitionImage[], Refusal> {
  const refuse = (message: string) => err({ code: ErrorCode.INVALID_REPLICA_ASSIGNMENT, message })
  if (request.numPartitions !== -1 || request.replicationFactor !== -1)
    return err({
      code: ErrorCode.INVALID_REQUEST,
      message: 'Both numPartitions or replicationFactor and replicasAssignments were set.',
    })
  if (request.assignments.size > maxPartitions)
    return err({
      code: ErrorCode.INVALID_PARTITIONS,
      message: `Number of partitions must be at most ${maxPartitions}.`,
    })
  const partitions: PartitionImage[] = []
  for (let index = 0; index < request.assignments.size; index++) {
    const replicas = request.assignments.get(index)
    if (replicas === undefined) return refuse('Partitions should be a consecutive 0-based integer sequence.')
    if (replicas.length === 0) return refuse(`Partition ${index} has no replicas.`)
    if (new Set(replicas).size !== replicas.length) return refuse(`Partition ${index} names a replica twice.`)
    const stranger = replicas.find(replica => replica !== nodeId)
    if (stranger !== undefined) return refuse(`Partition ${index} names broker ${stranger}, which is not registered.`)
    partitions.push(placeOn(replicas))
  }
  return ok(partitions)
}

const placeOn = (replicas: readonly number[]): PartitionImage => ({
  leader: replicas[0]!,
  leaderEpoch: firstLeaderEpoch,
  isr: replicas,
  replicas,
})

function checkConfigs(request: NewTopic): Result<TopicConfigs, Refusal> {
  const configs: Record<string, string> = {}
  for (const { name, value } of request.configs) {
    const why = value === null ? `Null value not supported for topic config: ${name}` : refuseTopicConfig(name, value)
    if (value === null || why !== undefined) return err({ code: ErrorCode.INVALID_CONFIG, message: why ?? name })
    configs[name] = value
  }
  return ok(configs)
}
