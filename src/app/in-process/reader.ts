import { MillraceError } from '../../base/error.ts'
import { ErrorCode, type Uuid, zeroUuid } from '../../protocol/index.ts'
import { fetch } from '../../protocol/schema/fetch.ts'
import { batchHeaderBytes, Codec } from '../../records/batch-header.ts'
import { decompress, decompressNow } from '../../records/compression.ts'
import { batchCodec, batchEnd, batchLastOffset, type RecordView, readRecords } from '../../records/record-batch.ts'
import type { LocalChannel } from '../../server/local-channel.ts'
import { AbortedRecords, type AbortedTransaction } from './aborted-records.ts'
import { throwUnlessNone } from './kafka-error.ts'
import type { BrokerRecord } from './records.ts'

export interface Reading {
  readonly topicId: Uuid
  readonly partition: number
  /** Of the first record; compaction may have taken it, and then the next one is the first. */
  readonly from: number
  /** Exclusive; undefined follows the end of the partition. */
  readonly to: number | undefined
  readonly readCommitted: boolean
  readonly signal: AbortSignal | undefined
}

interface Fetched {
  readonly bytes: Uint8Array
  readonly aborted: readonly AbortedTransaction[]
}

/** So much is copied out of the log at a time. */
const fetchBytes = 1 << 20
/** A reader at the end asks again after this. */
const waitMs = 30_000
/** By topic id. */
const fetchVersion = 18

/** The records of a partition, in order, as far as their readers may see them. */
export async function* readPartition(
  channel: LocalChannel,
  reading: Reading,
): AsyncGenerator<BrokerRecord, void, void> {
  const { partition, to = Number.POSITIVE_INFINITY, signal } = reading
  let offset = reading.from
  while (offset < to) {
    signal?.throwIfAborted()
    const { bytes, aborted } = await fetchFrom(channel, reading, offset)
    const hidden = new AbortedRecords(aborted)
    for (let at = 0; ; ) {
      const end = batchEnd(bytes, at)
      if (end === undefined) break
      const readable = !hidden.hides(bytes, at)
      if (readable) {
        for (const record of await recordsOf(bytes, at, end)) {
          if (record.offset < offset) continue
          if (record.offset >= to) return
          yield shown(partition, record)
          signal?.throwIfAborted()
        }
      }
      offset = Math.max(offset, batchLastOffset(bytes, at) + 1)
      at = end
    }
  }
}

function fetchFrom(channel: LocalChannel, reading: Reading, fetchOffset: number): Promise<Fetched> {
  const { topicId, partition, readCommitted, signal } = reading
  const asked = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: fetchBytes,
    replicaDirectoryId: zeroUuid,
    highWatermark: -1n,
  }
  const request = {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: waitMs,
    minBytes: 1,
    maxBytes: fetchBytes,
    isolationLevel: readCommitted ? 1 : 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: '', topicId, partitions: [asked] }],
    forgottenTopicsData: [],
    rackId: '',
  }
  return channel.call(
    fetch,
    fetchVersion,
    request,
    (response, copy) => {
      throwUnlessNone(response.errorCode ?? ErrorCode.NONE)
      const { errorCode, records, abortedTransactions } = response.responses[0]!.partitions[0]!
      throwUnlessNone(errorCode)
      return { bytes: records == null ? new Uint8Array() : copy(records), aborted: abortedTransactions ?? [] }
    },
    { signal },
  )
}

async function recordsOf(bytes: Uint8Array, at: number, end: number): Promise<RecordView[]> {
  const codec = batchCodec(bytes, at)
  if (codec === Codec.none) return readRecords(bytes, at)
  const folded = bytes.subarray(at + batchHeaderBytes, end)
  try {
    return readRecords(bytes, at, decompressNow(codec, folded) ?? (await decompress(codec, folded)))
  } catch (cause) {
    throw new MillraceError('READ_FAILED', 'A compressed batch could not be read.', { cause })
  }
}

function shown(partition: number, record: RecordView): BrokerRecord {
  const { offset, timestampMs, key, value, headers } = record
  return {
    partition,
    offset,
    timestamp: timestampMs,
    key: asBuffer(key),
    value: asBuffer(value),
    headers,
  }
}

function asBuffer(bytes: Uint8Array | null): Buffer | null {
  if (bytes === null || bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
