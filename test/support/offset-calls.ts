import type { ClientInfo } from '../../src/coordinator/group/group.ts'
import type { FetchedGroupAnswer } from '../../src/coordinator/group/offsets/group-offsets.ts'
import type { Turn } from '../../src/coordinator/runtime/shard.ts'
import { ErrorCode, errorName, type ResponseInput, type Uuid, zeroUuid } from '../../src/protocol/index.ts'
import type { offsetCommit } from '../../src/protocol/schema/offset-commit.ts'
import type { offsetDelete } from '../../src/protocol/schema/offset-delete.ts'
import type { txnOffsetCommit } from '../../src/protocol/schema/txn-offset-commit.ts'
import { OffsetsShard } from './offsets-shard.ts'
import { ShardTurns, type TestAsker } from './shard-turns.ts'

export interface AskedCommit {
  readonly partition: number
  readonly offset: number
  readonly metadata?: string | null
  readonly leaderEpoch?: number
}

export interface CommitOptions {
  readonly version?: number
  readonly memberId?: string
  readonly instanceId?: string
  readonly generation?: number
  readonly retentionTimeMs?: number
  /** By topic id instead of by name. */
  readonly topicId?: Uuid
}

export interface FetchOptions {
  readonly version?: number
  readonly requireStable?: boolean
  readonly memberId?: string | null
  readonly memberEpoch?: number
  readonly topicId?: Uuid
}

/** Asks a shard of offsets what clients ask, in few words, and says the answers in few: `t-0 NONE`, `t-0 5`. */
export class OffsetCalls {
  readonly shard: OffsetsShard
  readonly turns: ShardTurns

  constructor(shard = new OffsetsShard(), nowMs = 0) {
    this.shard = shard
    this.turns = new ShardTurns(shard)
    this.turns.nowMs = nowMs
    this.turns.run(turn => shard.loaded(turn))
  }

  commit(groupId: string, topic: string, partitions: readonly AskedCommit[], options: CommitOptions = {}): string[] {
    return this.commitTopics(groupId, [{ name: topic, partitions }], options)
  }

  commitTopics(
    groupId: string,
    topics: readonly { readonly name: string; readonly partitions: readonly AskedCommit[] }[],
    options: CommitOptions = {},
  ): string[] {
    const request = {
      groupId,
      generationIdOrMemberEpoch: options.generation ?? -1,
      memberId: options.memberId ?? '',
      groupInstanceId: options.instanceId ?? null,
      retentionTimeMs: options.retentionTimeMs ?? -1,
      topics: topics.map(({ name, partitions }) => topicOf(name, partitions, options)),
    }
    const asked = this.turns.ask<ResponseInput<typeof offsetCommit>>((turn, asker) =>
      this.shard.offsets.commit(request, client(options.version ?? 9), asker, turn),
    )
    return codesOf(asked.answer.topics)
  }

  /** Within the producer's transaction. */
  commitIn(
    producerId: bigint,
    groupId: string,
    topic: string,
    partitions: readonly AskedCommit[],
    options: CommitOptions = {},
  ): string[] {
    const request = {
      transactionalId: `of-${producerId}`,
      groupId,
      producerId,
      producerEpoch: 0,
      generationIdOrMemberEpoch: options.generation ?? -1,
      memberId: options.memberId ?? '',
      groupInstanceId: options.instanceId ?? null,
      topics: [topicOf(topic, partitions, options)],
    }
    let asked: TestAsker<ResponseInput<typeof txnOffsetCommit>> | undefined
    this.shard.inTransaction(producerId, () => {
      asked = this.turns.ask((turn, asker) =>
        this.shard.offsets.transactionalCommit(request, client(options.version ?? 5), asker, turn),
      )
    })
    return codesOf(asked!.answer.topics)
  }

  /** All that the group committed: topic, partition and offset, `@` leader epoch and metadata where there are. */
  fetchAll(groupId: string, options: FetchOptions = {}): string[] {
    return this.answerOf(groupId, null, options)
  }

  fetch(groupId: string, topic: string, partitionIndexes: number[], options: FetchOptions = {}): string[] {
    const topicId = options.topicId ?? zeroUuid
    return this.answerOf(groupId, [{ name: options.topicId ? '' : topic, topicId, partitionIndexes }], options)
  }

  /** What a fetch of some topics or, by null, of all is answered. */
  fetchAnswer(
    groupId: string,
    topics: { name: string; topicId: Uuid; partitionIndexes: number[] }[] | null,
    options: FetchOptions = {},
  ): FetchedGroupAnswer {
    const group = { groupId, memberId: options.memberId ?? null, memberEpoch: options.memberEpoch ?? -1, topics }
    const asked = this.turns.ask<FetchedGroupAnswer>((turn, asker) =>
      this.shard.offsets.fetch(group, options.requireStable ?? false, client(options.version ?? 9), asker, turn),
    )
    // All of very many offsets take turns of their own.
    while (!asked.done && this.turns.advanceOne());
    return asked.answer
  }

  deleteOffsets(groupId: string, topic: string, partitions: readonly number[]): string[] {
    const topics = [{ name: topic, partitions: partitions.map(partitionIndex => ({ partitionIndex })) }]
    const { answer } = this.turns.ask<ResponseInput<typeof offsetDelete>>((turn, asker) =>
      this.shard.offsets.deleteOffsets({ groupId, topics }, asker, turn),
    )
    return answer.errorCode === ErrorCode.NONE ? codesOf(answer.topics) : [errorName(answer.errorCode)]
  }

  run(work: (turn: Turn) => void): void {
    this.turns.run(work)
  }

  private answerOf(groupId: string, topics: Parameters<OffsetCalls['fetchAnswer']>[1], options: FetchOptions) {
    const answer = this.fetchAnswer(groupId, topics, options)
    if (answer.errorCode !== ErrorCode.NONE) return [errorName(answer.errorCode!)]
    return answer.topics!.flatMap(({ name, topicId, partitions }) =>
      partitions!.map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode }) => {
        const where = `${name !== '' ? name : topicId}-${partitionIndex}`
        if (errorCode !== ErrorCode.NONE) return `${where} ${errorName(errorCode ?? -1)}`
        const epoch = committedLeaderEpoch === -1 ? '' : `@${committedLeaderEpoch}`
        return `${where} ${committedOffset}${epoch}${metadata === '' ? '' : ` ${metadata}`}`
      }),
    )
  }
}

const client = (apiVersion: number): ClientInfo => ({ clientId: 'test', clientHost: '/127.0.0.1', apiVersion })

function topicOf(name: string, partitions: readonly AskedCommit[], { topicId }: CommitOptions) {
  return {
    name: topicId === undefined ? name : '',
    topicId: topicId ?? zeroUuid,
    partitions: partitions.map(({ partition, offset, metadata = '', leaderEpoch = -1 }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
    })),
  }
}

interface CodedTopic {
  readonly name?: string | undefined
  readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: ErrorCode }[]
}

const codesOf = (topics: readonly CodedTopic[]): string[] =>
  topics.flatMap(({ name = '', partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => `${name}-${partitionIndex} ${errorName(errorCode)}`),
  )
