import type { Timers } from '../base/world.ts'
import { type AppendFailure, appendFailure } from '../log/append-failure.ts'
import { ErrorCode, errorMessage, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { produce } from '../protocol/schema/produce.ts'
import { BatchAttributes, Codec } from '../records/batch-header.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { CommitWait } from './commit-wait.ts'
import { type ApiHandler, closeConnection, noReply, type RequestContext, serve } from './serve.ts'

/**
 * Produce v3-13 (0-2 are advertised because librdkafka looks for them, KAFKA-18659, and refused as in Kafka 4).
 * Offsets are fixed in the order the requests came, then the connection goes on, then the answer waits for what acks
 * asks: 0 nothing and no answer, 1 written here, -1 committed (durable on all in-sync replicas; with write.caching,
 * written). Partitions fail one by one. A failed acks=0 request closes its connection, the only way to tell its sender.
 * Transactional batches are refused.
 */
export function serveProduce(table: PartitionTable, wallMs: () => number, timers: Timers): ApiHandler {
  return serve(produce, { min: 3, max: 13, advertisedMin: 0 }, (request, context) => {
    const { acks } = request
    const validAcks = acks === 0 || acks === 1 || acks === -1
    const nowMs = wallMs()
    const outcomes: Outcome[] = []
    for (const topic of request.topicData)
      for (const { index, records } of topic.partitionData)
        outcomes.push(validAcks ? append(table, topic, index, records, acks, nowMs, context) : badAcks())
    context.releaseFrame()
    context.releaseOrder()
    if (acks === 0) return outcomes.some(outcome => outcome.failure !== undefined) ? closeConnection : noReply
    const waiting = acks === -1 ? outcomes.filter(outcome => outcome.partition !== undefined) : []
    if (waiting.length === 0) return respond(request, context, outcomes)
    return new Promise(resolve => {
      const wait = new CommitWait(timers, request.timeoutMs, () => resolve(respond(request, context, outcomes)))
      context.onAbort(() => wait.abandon())
      for (const outcome of waiting) {
        wait.add(outcome.partition!, outcome.endOffset, code => {
          outcome.failure = appendFailure(code, errorMessage(code))
        })
      }
      wait.start()
    })
  })
}

type ProduceRequest = RequestOf<typeof produce>
type TopicData = ProduceRequest['topicData'][number]
type Records = TopicData['partitionData'][number]['records']

/** What became of one partition's records. */
interface Outcome {
  failure: AppendFailure | undefined
  /** Where they are; undefined when they were not appended. */
  readonly partition: Partition | undefined
  readonly baseOffset: number
  readonly endOffset: number
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
}

const refused = (failure: AppendFailure): Outcome => ({
  failure,
  partition: undefined,
  baseOffset: -1,
  endOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
})
const refusedAs = (code: ErrorCode): Outcome => refused(appendFailure(code, errorMessage(code)))
const badAcks = (): Outcome => refusedAs(ErrorCode.INVALID_REQUIRED_ACKS)

/** Low byte of a batch's attributes: its codec. */
const codecAt = 22
const firstTopicIdVersion = 13
const firstZstdVersion = 7

function append(
  table: PartitionTable,
  topic: TopicData,
  index: number,
  records: Records,
  acks: number,
  nowMs: number,
  { apiVersion, arena, view }: RequestContext,
): Outcome {
  const byId = apiVersion >= firstTopicIdVersion
  const known = byId ? table.topicById(topic.topicId) : table.topic(topic.name)
  const partition = known?.partitions[index]
  if (partition === undefined)
    return refusedAs(byId && !known ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  if (acks === -1 && partition.belowMinIsr) return refusedAs(ErrorCode.NOT_ENOUGH_REPLICAS)
  if (records === null || records.length === 0)
    return refused(appendFailure(ErrorCode.INVALID_RECORD, 'A produce request holds one record batch per partition.'))
  const { position, length } = records
  // Readers of that age could not unfold it (KIP-110).
  if (apiVersion < firstZstdVersion && length > codecAt && codecOf(view, position) === Codec.zstd)
    return refused(appendFailure(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'zstd needs Produce version 7 or later.'))
  const appended = partition.append({ arena, view, position, length }, nowMs)
  if (!appended.ok) return refused(appended.error)
  return { failure: undefined, partition, logStartOffset: partition.logStart, ...appended.value }
}

const codecOf = (view: DataView, batch: number): number => view.getUint8(batch + codecAt) & BatchAttributes.codecMask

/** `outcomes` stand in the order of the request's partitions. */
function respond(
  request: ProduceRequest,
  { apiVersion }: RequestContext,
  outcomes: readonly Outcome[],
): ResponseInput<typeof produce> {
  let next = 0
  const responses = request.topicData.map(topic => ({
    ...(apiVersion >= firstTopicIdVersion ? { topicId: topic.topicId } : { name: topic.name }),
    partitionResponses: topic.partitionData.map(({ index }) => {
      const { failure, baseOffset, logAppendTimeMs, logStartOffset } = outcomes[next++]!
      if (failure === undefined)
        return { index, errorCode: ErrorCode.NONE, baseOffset, logAppendTimeMs, logStartOffset }
      const { code, message, recordIndex } = failure
      const recordErrors = recordIndex < 0 ? [] : [{ batchIndex: recordIndex, batchIndexErrorMessage: message }]
      return { index, errorCode: code, baseOffset: -1, recordErrors, errorMessage: message }
    }),
  }))
  return { responses }
}
