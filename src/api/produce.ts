import type { Timers } from '../base/world.ts'
import { ErrorCode, type ResponseInput } from '../protocol/index.ts'
import { produce } from '../protocol/schema/produce.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { CommitWait } from './commit-wait.ts'
import type { PartitionAnswer } from './partition-answer.ts'
import { firstTopicIdVersion, ProduceAppends, type ProduceRequest } from './produce-appends.ts'
import { ProduceTransaction, type TransactionVerifier } from './produce-transaction.ts'
import { type Answer, type ApiHandler, closeConnection, noReply, type RequestContext, serve } from './serve.ts'
import { Unfolder } from './unfolder.ts'

type Response = ResponseInput<typeof produce>

/**
 * Produce v3-13 (0-2 are advertised because librdkafka looks for them, KAFKA-18659, and refused as in Kafka 4).
 * Offsets are fixed in the order the requests came, then the connection goes on, then the answer waits for what acks
 * asks: 0 nothing and no answer, 1 written here, -1 committed (durable on all in-sync replicas; with write.caching,
 * written); where flush.messages of the topic is reached, both wait until it is durable here. Partitions fail one by one,
 * with each record at fault named (KIP-467). A failed acks=0 request closes its connection, the only way to tell its
 * sender.
 * A compressed batch is unfolded and checked like any other before it is appended; one that unfolds to more than 128 MB
 * is MESSAGE_TOO_LARGE. A partition that a request names twice gets both batches and gives both answers (Kafka keeps only
 * the last).
 * Transactional batches need the request's transactional id. The first of a transaction in a partition is preceded by a
 * question to the coordinator, which from v12 on adds the partition where transaction.version is 2 (KIP-890); the
 * connection's order is kept meanwhile. A transactional batch without the id is refused by itself, where Kafka refuses
 * the whole request; batches of two producers refuse all of it, as in Kafka.
 */
export function serveProduce(
  table: PartitionTable,
  wallMs: () => number,
  timers: Timers,
  transactions: TransactionVerifier,
): ApiHandler {
  const unfolder = new Unfolder()
  return serve(produce, { min: 3, max: 13, advertisedMin: 0 }, (request, context) => {
    const { transactionalId } = request
    const transaction =
      transactionalId === null ? undefined : new ProduceTransaction(transactions, transactionalId, context)
    const appends = new ProduceAppends(table, unfolder, request, context, wallMs, transaction)
    const pause = appends.step()
    return pause === undefined
      ? acknowledge(timers, request, context, appends.answers)
      : appendRest(timers, request, context, appends, pause)
  })
}

async function appendRest(
  timers: Timers,
  request: ProduceRequest,
  context: RequestContext,
  appends: ProduceAppends,
  firstPause: Promise<void>,
): Promise<Answer<Response>> {
  let gone = false
  context.finishAnyway()
  context.onAbort(() => {
    gone = true
    appends.abandon()
  })
  for (let pause: Promise<void> | undefined = firstPause; pause !== undefined; pause = appends.step()) {
    await pause
    if (gone) return noReply
  }
  return await acknowledge(timers, request, context, appends.answers)
}

/** Everything is appended that will be. */
function acknowledge(
  timers: Timers,
  request: ProduceRequest,
  context: RequestContext,
  answers: readonly (readonly PartitionAnswer[])[],
): Answer<Response> | Promise<Answer<Response>> {
  context.releaseFrame()
  context.releaseOrder()
  if (request.acks === 0) return answers.some(of => of.some(isFailure)) ? closeConnection : noReply
  const wait = new CommitWait(timers, answers.length === 1 ? answers[0]! : answers.flat())
  let answer: (response: Response) => void
  const response = () => respond(request, context, answers)
  if (!wait.start(request.timeoutMs, () => answer(response()))) return response()
  context.onAbort(() => wait.abandon())
  return new Promise(resolve => {
    answer = resolve
  })
}

const isFailure = ({ errorCode }: PartitionAnswer): boolean => errorCode !== ErrorCode.NONE

function respond(
  { topicData }: ProduceRequest,
  { apiVersion }: RequestContext,
  answers: readonly (readonly PartitionAnswer[])[],
): Response {
  return {
    responses: topicData.map((topic, index) => {
      const partitionResponses = answers[index]!
      return apiVersion >= firstTopicIdVersion
        ? { topicId: topic.topicId, partitionResponses }
        : { name: topic.name, partitionResponses }
    }),
  }
}
