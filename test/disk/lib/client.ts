import assert from 'node:assert/strict'
import {
  type Api,
  decodeResponseHeader,
  type ErrorCode,
  Reader,
  type RequestInput,
  type ResponseOf,
  responseCodec,
  responseHeaderVersion,
} from '../../../src/protocol/index.ts'
import { createTopics } from '../../../src/protocol/schema/create-topics.ts'
import { deleteRecords } from '../../../src/protocol/schema/delete-records.ts'
import { deleteTopics } from '../../../src/protocol/schema/delete-topics.ts'
import { fetch } from '../../../src/protocol/schema/fetch.ts'
import { incrementalAlterConfigs } from '../../../src/protocol/schema/incremental-alter-configs.ts'
import { listOffsets } from '../../../src/protocol/schema/list-offsets.ts'
import { metadata } from '../../../src/protocol/schema/metadata.ts'
import { produce } from '../../../src/protocol/schema/produce.ts'
import { crc32c } from '../../../src/records/crc32c.ts'
import { batchEnd, readRecords } from '../../../src/records/record-batch.ts'
import { encodeRequest, RawClient } from '../../integration/raw-client.ts'
import { batchOf, produceRequest } from '../../support/test-broker.ts'
import type { BrokerProcess } from './broker-process.ts'

export interface Produced {
  readonly code: ErrorCode
  readonly message: string | null
  readonly offset: number
}

export interface Fetched {
  readonly code: ErrorCode
  readonly values: readonly { readonly offset: number; readonly value: string }[]
  /** Batches whose checksum does not hold: what a consumer with check.crcs refuses. */
  readonly damaged: number
  readonly nextOffset: number
  readonly highWatermark: number
}

const fromUtf8 = new TextDecoder()

/** A close with bytes of ours unread reaches us as a reset. */
function resetAsClosed(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') throw error
}
const fetchBytes = 1 << 20

/** Speaks to one broker process, call by call, and opens its connection again where the broker closed it. */
export class DiskClient {
  private readonly broker: BrokerProcess
  private connection: RawClient | undefined
  private correlationId = 1

  constructor(broker: BrokerProcess) {
    this.broker = broker
  }

  /** One request; undefined when the broker closed the connection instead of answering. */
  async exchange<A extends Api>(
    api: A,
    version: number,
    request: RequestInput<A>,
  ): Promise<{ body: ResponseOf<A>; frame: Buffer } | undefined> {
    this.connection ??= await RawClient.open(this.broker)
    this.connection.write(encodeRequest(api as never, version, this.correlationId++, request as never))
    const frame = await this.connection.frame().catch(resetAsClosed)
    if (frame === undefined) {
      this.hangUp()
      return undefined
    }
    const reader = new Reader(frame)
    decodeResponseHeader(reader, responseHeaderVersion(api, version))
    return { body: responseCodec(api, version).decode(reader) as ResponseOf<A>, frame }
  }

  /** Batches for one partition, each its own request, that reach the broker at once; acks=1. */
  async produceTogether(topic: string, batches: readonly string[]): Promise<Produced[]> {
    this.connection ??= await RawClient.open(this.broker)
    const requests = batches.map(value =>
      encodeRequest(produce, 9, this.correlationId++, produceRequest(topic, batchOf([value]), 1)),
    )
    this.connection.write(Buffer.concat(requests))
    const answers: Produced[] = []
    for (const _ of batches) {
      const frame = await this.connection.frame()
      assert.ok(frame !== undefined, 'the broker closed the connection')
      const reader = new Reader(frame)
      decodeResponseHeader(reader, responseHeaderVersion(produce, 9))
      const answer = responseCodec(produce, 9).decode(reader).responses[0]!.partitionResponses[0]!
      answers.push({ code: answer.errorCode, message: answer.errorMessage, offset: answer.baseOffset })
    }
    return answers
  }

  async call<A extends Api>(api: A, version: number, request: RequestInput<A>): Promise<ResponseOf<A>> {
    const answer = await this.exchange(api, version, request)
    assert.ok(answer !== undefined, `the broker closed the connection on ${api.name}`)
    return answer.body
  }

  hangUp(): void {
    this.connection?.destroy()
    this.connection = undefined
  }

  async createTopic(name: string, partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const { code, message } = await this.tryCreateTopic(name, partitions, configs)
    assert.equal(code, 0, message ?? '')
  }

  async tryCreateTopic(name: string, partitions = 1, configs: Readonly<Record<string, string>> = {}) {
    const wanted = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const topic = { name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: wanted }
    const { topics } = await this.call(createTopics, 7, { topics: [topic], timeoutMs: 10_000 })
    return { code: topics[0]!.errorCode, message: topics[0]!.errorMessage }
  }

  async deleteTopic(name: string): Promise<ErrorCode> {
    const { responses } = await this.call(deleteTopics, 6, { topics: [{ name }], timeoutMs: 10_000 })
    return responses[0]!.errorCode
  }

  async deleteRecords(topic: string, offset: number, partition = 0): Promise<ErrorCode> {
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }]
    const answer = await this.call(deleteRecords, 2, { topics, timeoutMs: 10_000 })
    return answer.topics[0]!.partitions[0]!.errorCode
  }

  async setConfig(topic: string, name: string, value: string): Promise<ErrorCode> {
    const configs = [{ name, configOperation: 0, value }]
    const resources = [{ resourceType: 2, resourceName: topic, configs }]
    const answer = await this.call(incrementalAlterConfigs, 1, { resources, validateOnly: false })
    return answer.responses[0]!.errorCode
  }

  async produce(topic: string, values: readonly string[], { acks = -1, partition = 0 } = {}): Promise<Produced> {
    const request = produceRequest(topic, batchOf(values, { timestampMs: Date.now() }), acks, 10_000, partition)
    const { responses } = await this.call(produce, 9, request)
    const answer = responses[0]!.partitionResponses[0]!
    return { code: answer.errorCode, message: answer.errorMessage, offset: Number(answer.baseOffset) }
  }

  /** One fetch; undefined when the broker closed the connection instead of sending the records. */
  async fetch(
    topic: string,
    fetchOffset: number,
    { partition = 0, bytes = fetchBytes } = {},
  ): Promise<Fetched | undefined> {
    const asked = { partition, fetchOffset, partitionMaxBytes: bytes }
    const answer = await this.exchange(fetch, 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 64 << 20,
      isolationLevel: 0,
      topics: [{ topic, partitions: [asked] }],
      forgottenTopicsData: [],
    })
    if (answer === undefined) return undefined
    const told = answer.body.responses[0]!.partitions[0]!
    const view = told.records
    const records = view === null ? new Uint8Array() : answer.frame.subarray(view.position, view.position + view.length)
    return { code: told.errorCode, highWatermark: Number(told.highWatermark), ...unpack(records, fetchOffset) }
  }

  /** Every record of a partition from `from` on, up to its high watermark. */
  async readAll(topic: string, { partition = 0, from = 0 } = {}): Promise<Map<number, string>> {
    const found = new Map<number, string>()
    for (let next = from; ; ) {
      const got = await this.fetch(topic, next, { partition })
      assert.ok(got !== undefined, `the broker closed the connection on a fetch of ${topic} at ${next}`)
      assert.equal(got.code, 0, `fetch of ${topic} at ${next}`)
      assert.equal(got.damaged, 0, `batches of ${topic} at ${next} whose checksum does not hold`)
      for (const { offset, value } of got.values) found.set(offset, value)
      if (got.nextOffset >= got.highWatermark) return found
      assert.ok(got.nextOffset > next, `a fetch of ${topic} at ${next} found nothing below ${got.highWatermark}`)
      next = got.nextOffset
    }
  }

  /** The first offset that can be read. */
  async logStart(topic: string, partition = 0): Promise<number> {
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -2 }] }]
    const answer = await this.call(listOffsets, 5, { replicaId: -1, isolationLevel: 0, topics })
    return Number(answer.topics[0]!.partitions[0]!.offset)
  }

  /** What Metadata says of a topic's partitions: their error codes. */
  async partitionErrors(topic: string): Promise<ErrorCode[]> {
    const { topics } = await this.call(metadata, 12, {
      topics: [{ name: topic }],
      allowAutoTopicCreation: false,
    })
    const partitions = [...topics[0]!.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)
    return partitions.map(partition => partition.errorCode)
  }
}

function unpack(records: Uint8Array, fetchOffset: number) {
  const values: { offset: number; value: string }[] = []
  let damaged = 0
  let nextOffset = fetchOffset
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength)
  for (let at = 0; ; ) {
    const end = batchEnd(records, at)
    if (end === undefined) return { values, damaged, nextOffset }
    const lastOffset = Number(view.getBigInt64(at)) + view.getInt32(at + 23)
    nextOffset = Math.max(nextOffset, lastOffset + 1)
    if (view.getUint32(at + 17) !== crc32c(records.subarray(at + 21, end))) damaged++
    else {
      for (const record of readRecords(records, at)) {
        if (record.offset >= fetchOffset) values.push({ offset: record.offset, value: fromUtf8.decode(record.value!) })
      }
    }
    at = end
  }
}
