import { MillraceError } from '../base/error.ts'
import type { Storage, TimestampPosition } from '../base/world.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { ErrorCode, type RequestOf, type ResponseInput } from '../protocol/index.ts'
import { listOffsets } from '../protocol/schema/list-offsets.ts'
import { batchHeaderBytes } from '../records/batch-header.ts'
import { decompress } from '../records/compression.ts'
import { batchCodec, batchEnd, readRecords } from '../records/record-batch.ts'
import type { Partition } from '../replication/partition.ts'
import type { PartitionTable } from '../replication/partition-table.ts'
import { type ApiHandler, serve } from './serve.ts'
import { TurnShare } from './turn-share.ts'

/**
 * ListOffsets v1-11: latest (high watermark, or last stable offset for committed reads), earliest, the first record at
 * or after a timestamp, the record with the largest one (KIP-734); local and tiered starts as a broker without tiered
 * storage answers them (KIP-405, KIP-1005, KIP-1023). Only records that a consumer could read are found.
 */
export function serveListOffsets(table: PartitionTable, storage: Storage): ApiHandler {
  return serve(listOffsets, { min: 1, max: 11 }, async (request, context) => {
    const { apiVersion } = context
    const share = new TurnShare(context)
    const topics: TopicResponse[] = []
    for (const topic of request.topics) {
      const due = share.spend()
      if (due !== undefined) await due
      const known = table.topic(topic.name)
      const partitions: PartitionResponse[] = []
      const twice = duplicates(topic.partitions.map(({ partitionIndex }) => partitionIndex))
      for (const asked of topic.partitions) {
        const due = share.spend()
        if (due !== undefined) await due
        const partition = known?.partitions[asked.partitionIndex]
        const found = twice.has(asked.partitionIndex)
          ? failed(ErrorCode.INVALID_REQUEST)
          : await find(partition, asked, request.isolationLevel === 1, apiVersion)
        const { leaderEpoch, ...inEveryVersion } = found
        const answer = apiVersion >= firstEpochVersion ? found : inEveryVersion
        partitions.push({ partitionIndex: asked.partitionIndex, ...answer })
      }
      topics.push({ name: topic.name, partitions })
    }
    return { topics }
  })

  async function find(
    partition: Partition | undefined,
    asked: AskedPartition,
    committed: boolean,
    apiVersion: number,
  ): Promise<Found> {
    if (partition === undefined) return failed(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const refused = partition.refusal(asked.currentLeaderEpoch)
    const log = partition.log
    if (refused !== ErrorCode.NONE || log === undefined) return failed(refused)
    const limit = partition.readLimit(committed)
    const special = specials.get(asked.timestamp)
    if (special !== undefined && apiVersion < special.since) return failed(ErrorCode.UNSUPPORTED_VERSION)
    switch (special?.meaning) {
      case 'latest':
        return { errorCode: ErrorCode.NONE, timestamp: -1, offset: limit, leaderEpoch: partition.epoch }
      case 'earliest':
        return at(log, partition.logStart)
      case 'tiered':
        return { errorCode: ErrorCode.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 }
      case 'max-timestamp':
        return byTimestamp(log, log.stored.findMaxTimestamp(limit), limit, Number.POSITIVE_INFINITY)
      case undefined:
        if (asked.timestamp < 0) return failed(ErrorCode.UNSUPPORTED_VERSION)
        return byTimestamp(log, log.stored.findTimestamp(asked.timestamp, limit), limit, asked.timestamp)
    }
  }

  /** Where a batch is compressed, its records tell; `wanted` is Infinity for the largest timestamp. */
  async function byTimestamp(
    log: PartitionLog,
    position: TimestampPosition | undefined,
    limit: number,
    wanted: number,
  ): Promise<Found> {
    if (position === undefined) return { errorCode: ErrorCode.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 }
    const { offset, timestamp, leaderEpoch } = position
    if (!position.inCompressedBatch) return { errorCode: ErrorCode.NONE, timestamp, offset, leaderEpoch }
    const records = (await unfoldBatch(log, offset, limit)).filter(
      ({ offset }) => offset >= log.logStart && offset < limit,
    )
    const largest = records.reduce((max, record) => Math.max(max, record.timestampMs), -1)
    const found = records.find(record => record.timestampMs >= Math.min(wanted, largest))
    if (found === undefined) return { errorCode: ErrorCode.NONE, timestamp, offset, leaderEpoch }
    return { errorCode: ErrorCode.NONE, timestamp: found.timestampMs, offset: found.offset, leaderEpoch }
  }

  async function unfoldBatch(log: PartitionLog, offset: number, limit: number) {
    if (log.stored.read(offset, 0, limit, true) !== 0 || log.stored.lastRegionLength === 0) return []
    const bytes = new Uint8Array(log.stored.lastRegionLength)
    const region = log.stored.lastRegion
    storage.readRegion(region, 0, bytes)
    storage.releaseRegion(region)
    const end = batchEnd(bytes, 0)
    if (end === undefined) return []
    try {
      return readRecords(bytes, 0, await decompress(batchCodec(bytes, 0), bytes.subarray(batchHeaderBytes, end)))
    } catch (error) {
      // Nobody unfolds what producers send, so it may be no compressed batch at all: its header must do.
      if (error instanceof MillraceError || error instanceof RangeError) return []
      throw error
    }
  }
}

type AskedPartition = RequestOf<typeof listOffsets>['topics'][number]['partitions'][number]
type TopicResponse = ResponseInput<typeof listOffsets>['topics'][number]
type PartitionResponse = TopicResponse['partitions'][number]
type Found = Pick<PartitionResponse, 'errorCode' | 'timestamp' | 'offset' | 'leaderEpoch'>

type Meaning = 'latest' | 'earliest' | 'max-timestamp' | 'tiered'
const firstEpochVersion = 4
/** Timestamps that ask for something else, with the first version that knows them. */
const specials: ReadonlyMap<number, { meaning: Meaning; since: number }> = new Map([
  [-1, { meaning: 'latest', since: 1 }],
  [-2, { meaning: 'earliest', since: 1 }],
  [-3, { meaning: 'max-timestamp', since: 7 }],
  [-4, { meaning: 'earliest', since: 8 }],
  [-5, { meaning: 'tiered', since: 9 }],
  [-6, { meaning: 'tiered', since: 11 }],
])

const failed = (errorCode: ErrorCode): Found => ({ errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 })

const at = (log: PartitionLog, offset: number): Found => ({
  errorCode: ErrorCode.NONE,
  timestamp: -1,
  offset,
  leaderEpoch: log.epochs.epochAt(offset),
})

function duplicates(values: readonly number[]): Set<number> {
  const seen = new Set<number>()
  return new Set(values.filter(value => seen.size === seen.add(value).size))
}
