import type { TestContext } from 'node:test'
import { ColdReads } from '../../src/api/cold-reads.ts'
import { serveDescribeProducers } from '../../src/api/describe-producers.ts'
import { serveFetch } from '../../src/api/fetch.ts'
import { serveListOffsets } from '../../src/api/list-offsets.ts'
import { serveProduce } from '../../src/api/produce.ts'
import type { TransactionVerifier } from '../../src/api/produce-transaction.ts'
import type { LogSettings } from '../../src/base/world.ts'
import type { TopicPartition } from '../../src/coordinator/transaction/transaction.ts'
import { Durability } from '../../src/log/durability.ts'
import { LeaderEpochs } from '../../src/log/leader-epochs.ts'
import { PartitionLog } from '../../src/log/partition-log.ts'
import { ProducerStates } from '../../src/log/producer-state.ts'
import { ErrorCode, type Uuid } from '../../src/protocol/index.ts'
import { Partition } from '../../src/replication/partition.ts'
import { PartitionTable } from '../../src/replication/partition-table.ts'
import { Server } from '../../src/server/server.ts'
import { FakeWorld } from './fake-world.ts'
import { RecordingLogger } from './test-broker.ts'
import { TestClient } from './test-client.ts'

const unlimited = Number.MAX_SAFE_INTEGER
const settings: LogSettings = {
  segmentBytes: 1 << 20,
  segmentMs: unlimited,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 4096,
  maxMessageBytes: 1 << 20,
  timestampBeforeMaxMs: unlimited,
  timestampAfterMaxMs: unlimited,
  logAppendTime: false,
  requireKeys: false,
  flushMs: unlimited,
  flushMessages: unlimited,
  segmentJitterMs: 0,
  deletes: false,
  retentionMs: -1,
  retentionBytes: -1,
}
const image = { leader: 1, leaderEpoch: 0, isr: [1], replicas: [1] }
const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid

export interface Question {
  readonly transactionalId: string
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly partitions: readonly TopicPartition[]
  readonly add: boolean
}

/** A coordinator that answers when, and what, the test says. */
export class ScriptedVerifier implements TransactionVerifier {
  verifies = true
  addsOnWrite = true
  readonly asked: Question[] = []
  /** What is answered of each partition. */
  code: (partition: TopicPartition) => ErrorCode = () => ErrorCode.NONE
  /** Undefined answers at once. */
  private held: (() => void)[] | undefined

  hold(): void {
    this.held = []
  }

  answer(): void {
    for (const go of this.held?.splice(0) ?? []) go()
  }

  async verify(
    transactionalId: string,
    producerId: bigint,
    producerEpoch: number,
    partitions: readonly TopicPartition[],
    add: boolean,
  ): Promise<readonly ErrorCode[]> {
    this.asked.push({ transactionalId, producerId, producerEpoch, partitions, add })
    const { held } = this
    if (held !== undefined) await new Promise<void>(resolve => held.push(resolve))
    return partitions.map(this.code)
  }
}

/** Produce, Fetch, ListOffsets and DescribeProducers over topic `t`, with a coordinator of transactions that is the test's. */
export class DataRoad {
  readonly world = new FakeWorld()
  readonly verifier = new ScriptedVerifier()
  readonly topicId = topicId
  readonly partitions: Partition[] = []

  static async open(t: TestContext, partitions = 2): Promise<DataRoad> {
    const road = new DataRoad()
    await road.start(partitions)
    t.after(() => road.world.storage.close())
    return road
  }

  connect(): TestClient {
    return TestClient.connect(this.world)
  }

  private async start(count: number): Promise<void> {
    const { world } = this
    const durability = new Durability(world.storage)
    for (let index = 0; index < count; index++) {
      const opening = world.storage.openLog(`/t-${index}`, settings, 1, 0, 0)
      await world.time.settle()
      const { log: stored } = await opening
      const sideFiles = { room: () => undefined, saveProducers() {}, saveEpochs() {}, appended() {} }
      const log = new PartitionLog(stored, new ProducerStates(), new LeaderEpochs(), settings, sideFiles as never)
      const partition = new Partition('t', index, image, { writeCaching: false, minInSyncReplicas: 1 })
      durability.watch(stored, {
        onDurable: durableOffset => partition.onDurable(durableOffset),
        onFailed: () => partition.offline(ErrorCode.KAFKA_STORAGE_ERROR),
      })
      partition.online(log)
      this.partitions.push(partition)
    }
    const table = new PartitionTable()
    table.add('t', topicId, this.partitions)
    const { clock, timers, random } = world
    const coldReads = new ColdReads(1)
    const endpoint = () => ({ nodeId: 1, host: 'localhost', port: 9092, rack: null })
    const server = new Server(world, new RecordingLogger(), [
      serveProduce(table, () => clock.wallMs(), timers, this.verifier),
      serveFetch({ table, clock, timers, random, coldReads, fetchMaxBytes: 50 << 20, endpoint }),
      serveListOffsets(table, timers, coldReads),
      serveDescribeProducers(table),
    ])
    server.start({
      maxFrameBytes: 1 << 20,
      frameBudgetBytes: 16 << 20,
      connectionInflightBytes: 16 << 20,
      connectionUnsentBytes: 16 << 20,
      maxConnections: 100,
      idleTimeoutMs: unlimited,
      senderThreads: 0,
    })
    world.network.listen('localhost', 0)
  }
}
