import type { Clock, Timers } from '../base/world.ts'
import type { EndInGroups } from '../coordinator/transaction/marker-writer.ts'
import type { TransactionMarker } from '../log/transaction-marker.ts'
import { consumerOffsetsTopic, transactionStateTopic } from '../metadata/image.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { writeTxnMarkers } from '../protocol/schema/write-txn-markers.ts'
import type { CommitWaiter, Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

export interface WriteMarkersParts {
  readonly table: PartitionTable
  readonly endInGroups: EndInGroups
  readonly clock: Clock
  readonly timers: Timers
}

/**
 * WriteTxnMarkers v1-2: ends transactions in partitions of this broker, whatever their coordinator knows of them: how an
 * administrator ends one that hangs. Each partition is answered when its marker is durable. An epoch that no coordinator has
 * had yet is refused, which Kafka takes.
 */
export function serveWriteTxnMarkers({ table, endInGroups, clock, timers }: WriteMarkersParts): ApiHandler {
  return serve(writeTxnMarkers, { min: 1, max: 2, wide: true }, async (request, context) => {
    context.releaseFrame()
    const share = new TurnShare(context)
    const markers: Promise<MarkerAnswer>[] = []
    for (const entry of request.markers) {
      const marker: TransactionMarker = {
        producerId: entry.producerId,
        producerEpoch: entry.producerEpoch,
        coordinatorEpoch: entry.coordinatorEpoch,
        committed: entry.transactionResult,
        transactionVersion: entry.transactionVersion,
      }
      markers.push(writeAll(marker, entry.topics, share))
      const due = share.spend(unitsPerMarker)
      if (due !== undefined) await due
    }
    return { markers: await Promise.all(markers) }
  })

  async function writeAll(marker: TransactionMarker, topics: Topics, share: TurnShare): Promise<MarkerAnswer> {
    const answers = []
    for (const { name, partitionIndexes } of topics) {
      const partitions: Promise<PartitionAnswer>[] = []
      answers.push({ name, partitions })
      for (const partitionIndex of partitionIndexes) {
        partitions.push(write(marker, name, partitionIndex).then(errorCode => ({ partitionIndex, errorCode })))
        const due = share.spend(unitsPerMarker)
        if (due !== undefined) await due
      }
    }
    const answered = []
    for (const { name, partitions } of answers) answered.push({ name, partitions: await Promise.all(partitions) })
    return { producerId: marker.producerId, topics: answered }
  }

  async function write(marker: TransactionMarker, name: string, index: number): Promise<ErrorCode> {
    const partition = table.topic(name)?.partitions[index]
    if (partition === undefined) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    // No producer has such, and it would be remembered as one.
    if (marker.producerId < 0n || marker.producerEpoch < 0) return ErrorCode.INVALID_REQUEST
    // It would be the newest for good: no coordinator could end a transaction of the producer here any more.
    const known = partition.log?.producers.coordinatorEpochOf(marker.producerId) ?? -1
    if (marker.coordinatorEpoch > Math.max(known, newestCoordinator())) return ErrorCode.INVALID_REQUEST
    if (name === consumerOffsetsTopic) return codeOfGroups(await endInGroups(index, marker, () => true))
    const appended = partition.appendMarker(marker, clock.wallMs())
    return appended.ok ? await durable(partition, appended.value.endOffset) : appended.error.code
  }

  function newestCoordinator(): number {
    let newest = 0
    for (const { epoch } of table.topic(transactionStateTopic)?.partitions ?? []) newest = Math.max(newest, epoch)
    return newest
  }

  function durable(partition: Partition, endOffset: number): Promise<ErrorCode> {
    return new Promise(resolve => {
      const timer = timers.after(timeoutMs, () => {
        partition.dropCommitWaiter(waiter)
        resolve(ErrorCode.REQUEST_TIMED_OUT)
      })
      const waiter: CommitWaiter = {
        endOffset,
        onCommitted(code) {
          timer.cancel()
          resolve(code)
        },
      }
      partition.whenDurable(waiter)
    })
  }
}

type Topics = RequestOf<typeof writeTxnMarkers>['markers'][number]['topics']
type MarkerAnswer = ResponseInput<typeof writeTxnMarkers>['markers'][number]
type PartitionAnswer = MarkerAnswer['topics'][number]['partitions'][number]

const timeoutMs = 30_000
/** About what writing one takes, in microseconds. */
const unitsPerMarker = 20

/** Who writes markers knows nothing of coordinators of groups: it is to ask again. */
function codeOfGroups(code: ErrorCode): ErrorCode {
  switch (code) {
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
    case ErrorCode.NOT_COORDINATOR:
      return ErrorCode.NOT_LEADER_OR_FOLLOWER
    default:
      return code
  }
}
