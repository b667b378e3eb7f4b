import type { Uuid } from '../../src/protocol/index.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch } from '../../src/records/record-batch.ts'
import { RawClient } from '../../test/integration/raw-client.ts'

const partitionsPerTopic = 1_000
const recordBytes = 100
const requestTimeoutMs = 60_000
const createVersion = 7
const produceVersion = 9
const noTopicId = 'AAAAAAAAAAAAAAAAAAAAAA' as Uuid

/** A client that makes and writes very many partitions, a topic of up to 1,000 of them a request. */
export class ManyPartitions {
  private readonly client: RawClient
  private readonly counts: readonly number[]
  private readonly batch = buildBatch({
    records: [{ key: null, value: new Uint8Array(recordBytes) }],
    timestampMs: Date.now(),
  })

  private constructor(client: RawClient, partitions: number) {
    this.client = client
    this.counts = Array.from({ length: Math.ceil(partitions / partitionsPerTopic) }, (_, topic) =>
      Math.min(partitionsPerTopic, partitions - topic * partitionsPerTopic),
    )
  }

  static async connect(address: string, partitions: number): Promise<ManyPartitions> {
    const colon = address.lastIndexOf(':')
    const client = await RawClient.open({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) })
    return new ManyPartitions(client, partitions)
  }

  async create(): Promise<void> {
    for (const [topic, numPartitions] of this.counts.entries()) {
      const made = { name: nameOf(topic), numPartitions, replicationFactor: 1, assignments: [], configs: [] }
      const request = { topics: [made], timeoutMs: requestTimeoutMs, validateOnly: false }
      const { topics } = await this.client.request(createTopics, createVersion, request)
      const error = topics[0]!
      if (error.errorCode !== 0) throw new Error(`${nameOf(topic)}: ${error.errorCode} ${error.errorMessage ?? ''}`)
    }
  }

  /** One record to every partition, a request a topic. */
  async writeAll(acks: -1 | 1): Promise<void> {
    for (const [topic, count] of this.counts.entries()) await this.write(topic, count, acks)
  }

  /** One record to each of the first partitions of the first topic. */
  writeFirst(partitions: number, acks: -1 | 1): Promise<void> {
    return this.write(0, Math.min(partitions, this.counts[0]!), acks)
  }

  close(): void {
    this.client.destroy()
  }

  private async write(topic: number, count: number, acks: -1 | 1): Promise<void> {
    const partitionData = Array.from({ length: count }, (_, index) => ({ index, records: this.batch }))
    const { responses } = await this.client.request(produce, produceVersion, {
      transactionalId: null,
      acks,
      timeoutMs: requestTimeoutMs,
      topicData: [{ name: nameOf(topic), topicId: noTopicId, partitionData }],
    })
    const refused = responses[0]!.partitionResponses.find(({ errorCode }) => errorCode !== 0)
    if (refused !== undefined) throw new Error(`${nameOf(topic)}-${refused.index} answered ${refused.errorCode}`)
  }
}

const nameOf = (topic: number): string => `many-${topic}`
