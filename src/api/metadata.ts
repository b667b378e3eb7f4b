import type { Logger } from '../base/logger.ts'
import { refuseTopicName } from '../metadata/create-topic.ts'
import { type ClusterImage, clusterMetadataTopic, isInternalTopic, type TopicImage } from '../metadata/image.ts'
import { maxPartitionsPerRequest } from '../metadata/placement.ts'
import { ErrorCode, type RequestOf, type ResponseInput, type Uuid, zeroUuid } from '../protocol/index.ts'
import { metadata } from '../protocol/schema/metadata.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { clusterOperations, topicOperations } from './authorized-operations.ts'
import type { ClusterView } from './cluster-view.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * Metadata v0-13: brokers, and topics by name or (v12) by id, or all; each topic once. A named topic that does not exist is
 * created when client and broker allow it, and is then part of the answer (Kafka has the client ask again); as in Kafka, one
 * request makes 10,000 partitions or none. There is no authorizer: every operation is authorized.
 */
export interface MetadataServices extends ClusterView {
  readonly image: ClusterImage
  readonly table: PartitionTable
  readonly topics: TopicLifecycle
  readonly autoCreateTopics: boolean
  readonly logger: Logger
}

export function serveMetadata(services: MetadataServices): ApiHandler {
  const { image, table, nodeId, rack, clusterId } = services
  return serve(metadata, { min: 0, max: 13, wide: true }, async (request, context) => {
    const share = new TurnShare(context)
    const wanted = await wantedTopics(image, request, context.apiVersion, share)
    const creates =
      services.autoCreateTopics && request.allowAutoTopicCreation && (await mayCreate(services.topics, wanted, share))
    const operations = request.includeTopicAuthorizedOperations ? { topicAuthorizedOperations: topicOperations } : {}
    const topics: TopicResponse[] = []
    for (const each of wanted) {
      const answer = await answerFor(each, creates, share)
      if (answer !== undefined) topics.push(answer.name === null ? answer : { ...answer, ...operations })
      const due = share.spend()
      if (due !== undefined) await due
    }
    return {
      brokers: [{ nodeId, ...services.advertised(context.connection), rack }],
      clusterId,
      controllerId: nodeId,
      topics,
      ...(request.includeClusterAuthorizedOperations ? { clusterAuthorizedOperations: clusterOperations } : {}),
    }
  })

  /** Undefined for one of all topics that was deleted since the request came. */
  async function answerFor(wanted: Wanted, creates: boolean, share: TurnShare): Promise<TopicResponse | undefined> {
    if (wanted.refused !== undefined) return unknown(wanted.name, wanted.id, wanted.refused)
    if (wanted.name === null) {
      const topic = image.topicById(wanted.id)
      if (topic !== undefined) return describe(table, topic, share)
      return unknown(null, wanted.id, ErrorCode.UNKNOWN_TOPIC_ID)
    }
    const topic = image.topic(wanted.name)
    if (topic !== undefined) return describe(table, topic, share)
    if (wanted.oneOfAll) return undefined
    const created = creates ? await create(wanted.name) : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return typeof created === 'number' ? unknown(wanted.name, zeroUuid, created) : describe(table, created, share)
  }

  async function create(name: string): Promise<TopicImage | ErrorCode> {
    if (name === clusterMetadataTopic) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    try {
      const created = await services.topics.create(byDefault(name))
      if (created.ok) return created.value
      // Another connection may have created it meanwhile.
      return image.topic(name) ?? created.error.code
    } catch (error) {
      services.logger.error({ topic: name, error: String(error) }, 'a topic could not be created')
      return ErrorCode.LEADER_NOT_AVAILABLE
    }
  }
}

const firstTopicIdVersion = 12

type TopicResponse = ResponseInput<typeof metadata>['topics'][number]

interface Wanted {
  /** Null: the topic is known by `id`. */
  readonly name: string | null
  readonly id: Uuid
  /** Nobody asked for this very topic. */
  readonly oneOfAll: boolean
  readonly refused: ErrorCode | undefined
}

const wantedName = (name: string, refused?: ErrorCode): Wanted => ({ name, id: zeroUuid, oneOfAll: false, refused })

/** A topic that is made because somebody asked for it. */
const byDefault = (name: string) => ({
  name,
  numPartitions: -1,
  replicationFactor: -1,
  assignments: [],
  configs: [],
})

/** What the request asks for, each topic once. */
async function wantedTopics(
  image: ClusterImage,
  { topics }: RequestOf<typeof metadata>,
  apiVersion: number,
  share: TurnShare,
): Promise<Wanted[]> {
  // In v0 an empty list asks for all topics; later that is what null says.
  if (topics === null || (apiVersion === 0 && topics.length === 0))
    return Array.from(image.topics(), ({ name }) => ({ ...wantedName(name), oneOfAll: true }))
  const hasIds = topics.some(({ topicId }) => topicId !== zeroUuid)
  // Ids came with v10, but only from v12 on may they stand alone; before, the answer has no place for a missing name.
  if (apiVersion < firstTopicIdVersion && (hasIds || topics.some(({ name }) => name === null)))
    return topics.map(({ name }) => wantedName(name ?? '', ErrorCode.INVALID_REQUEST))
  const wanted = new Map<string, Wanted>()
  for (const { name, topicId } of topics) {
    // A request that has ids is about ids, as in Kafka.
    if (hasIds && topicId !== zeroUuid)
      wanted.set(topicId, { name: null, id: topicId, oneOfAll: false, refused: undefined })
    else if (!hasIds) wanted.set(name ?? '', name === null ? nameless : wantedName(name, refusalOf(name)))
    const due = share.spend()
    if (due !== undefined) await due
  }
  return [...wanted.values()]
}

/** Neither a name nor an id. */
const nameless: Wanted = { name: null, id: zeroUuid, oneOfAll: false, refused: ErrorCode.INVALID_REQUEST }

const refusalOf = (name: string): ErrorCode | undefined =>
  refuseTopicName(name) === undefined ? undefined : ErrorCode.INVALID_TOPIC_EXCEPTION

/** Whether what is missing can be made within the limit of one request. */
async function mayCreate(topics: TopicLifecycle, wanted: readonly Wanted[], share: TurnShare): Promise<boolean> {
  const most = maxPartitionsPerRequest / topics.partitionsAsked(byDefault(''))
  if (wanted.length <= most) return true
  let missing = 0
  for (const { name, refused } of wanted) {
    if (name !== null && refused === undefined && topics.partitionCount(name) === 0) missing++
    const due = share.spend()
    if (due !== undefined) await due
  }
  return missing <= most
}

async function describe(table: PartitionTable, topic: TopicImage, share: TurnShare): Promise<TopicResponse> {
  const serving = table.topicById(topic.id)?.partitions
  const partitions: TopicResponse['partitions'][number][] = []
  for (const partition of topic.partitions) {
    const partitionIndex = partitions.length
    const offline = serving?.[partitionIndex]?.log === undefined
    partitions.push({
      errorCode: offline ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
      partitionIndex,
      leaderId: offline ? -1 : partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      offlineReplicas: offline ? [partition.leader] : [],
    })
    const due = share.spend()
    if (due !== undefined) await due
  }
  const { name, id } = topic
  return { errorCode: ErrorCode.NONE, name, topicId: id, isInternal: isInternalTopic(name), partitions }
}

function unknown(name: string | null, topicId: Uuid, errorCode: ErrorCode): TopicResponse {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] }
}
