import type { Logger } from '../base/logger.ts'
import { refuseTopicName } from '../metadata/create-topic.ts'
import { type ClusterImage, isInternalTopic, type TopicImage } from '../metadata/image.ts'
import { ErrorCode, type RequestOf, type ResponseInput, type Uuid, zeroUuid } from '../protocol/index.ts'
import { metadata } from '../protocol/schema/metadata.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import type { TopicLifecycle } from '../replication/topic-lifecycle.ts'
import { type ApiHandler, type RequestContext, serve } from './serve.ts'

/**
 * Metadata v0-13: brokers, and topics by name or (v12) by id, or all. A named topic that does not exist is created when
 * client and broker allow it, and is then part of the answer. Authorized operations are not told: there is no authorizer.
 */
export interface MetadataServices {
  readonly image: ClusterImage
  readonly table: PartitionTable
  readonly topics: TopicLifecycle
  readonly clusterId: string
  readonly nodeId: number
  readonly rack: string | null
  readonly autoCreateTopics: boolean
  /** Where clients that came to `connection` should come back. */
  advertised(connection: number): { host: string; port: number }
  readonly logger: Logger
}

export function serveMetadata(services: MetadataServices): ApiHandler {
  return serve(metadata, { min: 0, max: 13 }, async (request, context) => {
    const topics: TopicResponse[] = []
    // Ids came with v10, but only from v12 on may they stand alone; before, the answer has no place for a missing name.
    if (context.apiVersion < firstTopicIdVersion && request.topics?.some(({ name }) => name === null)) {
      for (const { name } of request.topics) topics.push(unknown(name ?? '', zeroUuid, ErrorCode.INVALID_REQUEST))
      return { ...cluster(services, context), topics }
    }
    for (const wanted of wantedTopics(services.image, request, context)) {
      if (wanted.topic !== undefined) topics.push(describe(services.table, wanted.topic))
      else if (wanted.id !== zeroUuid) topics.push(unknown(null, wanted.id, ErrorCode.UNKNOWN_TOPIC_ID))
      else topics.push(await missing(services, wanted.name ?? '', request.allowAutoTopicCreation))
    }
    return { ...cluster(services, context), topics }
  })
}

const firstTopicIdVersion = 12

function cluster({ nodeId, rack, clusterId, advertised }: MetadataServices, { connection }: RequestContext) {
  return { brokers: [{ nodeId, ...advertised(connection), rack }], clusterId, controllerId: nodeId }
}

type TopicResponse = ResponseInput<typeof metadata>['topics'][number]
interface Wanted {
  readonly name: string | null
  readonly id: Uuid
  readonly topic: TopicImage | undefined
}

function wantedTopics(image: ClusterImage, request: RequestOf<typeof metadata>, context: RequestContext): Wanted[] {
  // In v0 an empty list asks for all topics; later that is what null says.
  const all = request.topics === null || (context.apiVersion === 0 && request.topics.length === 0)
  if (all) return [...image.topics()].map(topic => ({ name: topic.name, id: zeroUuid, topic }))
  return request.topics!.map(({ name, topicId }) => {
    const topic = name === null ? image.topicById(topicId) : image.topic(name)
    return { name, id: name === null ? topicId : zeroUuid, topic }
  })
}

function describe(table: PartitionTable, topic: TopicImage): TopicResponse {
  const serving = table.topicById(topic.id)
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition, partitionIndex) => {
      const offline = serving?.partitions[partitionIndex]?.log === undefined
      return {
        errorCode: offline ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
        partitionIndex,
        leaderId: offline ? -1 : partition.leader,
        leaderEpoch: partition.leaderEpoch,
        replicaNodes: partition.replicas,
        isrNodes: partition.isr,
        offlineReplicas: offline ? [partition.leader] : [],
      }
    }),
  }
}

async function missing(services: MetadataServices, name: string, clientAllows: boolean): Promise<TopicResponse> {
  if (refuseTopicName(name) !== undefined) return unknown(name, zeroUuid, ErrorCode.INVALID_TOPIC_EXCEPTION)
  if (!clientAllows || !services.autoCreateTopics) return unknown(name, zeroUuid, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  try {
    const created = await services.topics.create({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: new Map(),
      configs: [],
    })
    // Another connection may have created it meanwhile.
    const topic = created.ok ? created.value : services.image.topic(name)
    if (topic !== undefined) return describe(services.table, topic)
    return unknown(name, zeroUuid, created.ok ? ErrorCode.NONE : created.error.code)
  } catch (error) {
    services.logger.error({ topic: name, error: String(error) }, 'a topic could not be created')
    return unknown(name, zeroUuid, ErrorCode.LEADER_NOT_AVAILABLE)
  }
}

function unknown(name: string | null, topicId: Uuid, errorCode: ErrorCode): TopicResponse {
  return { errorCode, name, topicId, partitions: [] }
}
