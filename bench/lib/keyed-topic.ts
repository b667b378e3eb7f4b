import { loadAddon } from '../../src/native/load-addon.ts'
import { createTopics } from '../../src/protocol/schema/create-topics.ts'
import { deleteTopics } from '../../src/protocol/schema/delete-topics.ts'
import { incrementalAlterConfigs } from '../../src/protocol/schema/incremental-alter-configs.ts'
import { produce } from '../../src/protocol/schema/produce.ts'
import { buildBatch, readRecords } from '../../src/records/record-batch.ts'
import { RawClient } from '../../test/integration/raw-client.ts'

/** A compacted topic of random keys. Nothing of it is due for compaction before `compact`. */
export interface KeyedTopic {
  readonly name: string
  readonly partitions: number
  /** From now on all of it is due. */
  compact(): Promise<void>
  remove(): Promise<void>
}

const partitions = 4
const recordsPerBatch = 900
const valueBytes = 1_000
const keyDigits = 16
/** So many records of each key: a quarter is left. */
const recordsPerKey = 4
const segmentBytes = 64 << 20
const topicResource = 2
const setOperation = 0

/** Writes about so many bytes of keyed records. */
export const fillKeyedTopic = async (
  address: string,
  name: string,
  bytes: number,
  configs: readonly string[],
): Promise<KeyedTopic> => {
  const [host, port] = [address.slice(0, address.lastIndexOf(':')), Number(address.slice(address.lastIndexOf(':') + 1))]
  const open = (): Promise<RawClient> => RawClient.open({ host, port })
  const client = await open()
  const settings = [
    `segment.bytes=${segmentBytes}`,
    'min.cleanable.dirty.ratio=1',
    'cleanup.policy=compact',
    ...configs,
  ]
  const created = await client.request(createTopics, 5, {
    topics: [
      {
        name,
        numPartitions: partitions,
        replicationFactor: 1,
        assignments: [],
        configs: settings.map(each => ({ name: each.split('=')[0]!, value: each.split('=')[1]! })),
      },
    ],
    timeoutMs: 10_000,
  })
  const { errorCode, errorMessage } = created.topics[0]!
  if (errorCode !== 0) throw new Error(`topic ${name}: ${errorMessage ?? errorCode}`)
  const batches = Math.ceil(bytes / partitions / (recordsPerBatch * valueBytes))
  await Promise.all(
    Array.from({ length: partitions }, async (_, index) => {
      const writer = await open()
      await fillPartition(writer, name, index, batches)
      writer.destroy()
    }),
  )
  return {
    name,
    partitions,
    async compact() {
      const { responses } = await client.request(incrementalAlterConfigs, 1, {
        resources: [
          {
            resourceType: topicResource,
            resourceName: name,
            configs: [{ name: 'min.cleanable.dirty.ratio', configOperation: setOperation, value: '0.01' }],
          },
        ],
        validateOnly: false,
      })
      if (responses[0]?.errorCode !== 0) throw new Error(`topic ${name}: ${responses[0]?.errorMessage}`)
    },
    async remove() {
      await client.request(deleteTopics, 4, { topicNames: [name], timeoutMs: 60_000 })
      client.destroy()
    },
  }
}

/** One batch, with other keys each time that it is sent. */
const fillPartition = async (client: RawClient, name: string, index: number, batches: number): Promise<void> => {
  const key = new Uint8Array(keyDigits).fill(0x30)
  const value = crypto.getRandomValues(new Uint8Array(valueBytes))
  const records = Array.from({ length: recordsPerBatch }, () => ({ key, value }))
  const batch = buildBatch({ timestampMs: Date.now(), records })
  const keysAt = readRecords(batch, 0).map(record => record.key!.byteOffset - batch.byteOffset)
  const keys = Math.max(1, Math.floor((batches * recordsPerBatch) / recordsPerKey))
  const view = new DataView(batch.buffer, batch.byteOffset)
  const { crc32c } = loadAddon()
  for (let i = 0; i < batches; i++) {
    for (const at of keysAt) {
      const text = String(Math.floor(Math.random() * keys)).padStart(keyDigits, '0')
      for (let digit = 0; digit < keyDigits; digit++) batch[at + digit] = text.charCodeAt(digit)
    }
    view.setUint32(17, crc32c(batch.subarray(21)))
    const { responses } = await client.request(produce, 9, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 60_000,
      topicData: [{ name, partitionData: [{ index, records: batch }] }],
    })
    const code = responses[0]?.partitionResponses[0]?.errorCode
    if (code !== 0) throw new Error(`producing to ${name}-${index}: error ${code}`)
  }
}
