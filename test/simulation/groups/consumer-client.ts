import assert from 'node:assert/strict'
import type { HeartbeatResponse } from '../../../src/coordinator/group/consumer/consumer-groups.ts'
import type { HeartbeatRequest } from '../../../src/coordinator/group/consumer/refusals.ts'
import { ErrorCode, type Uuid } from '../../../src/protocol/index.ts'

type Partitions = Map<Uuid, Set<number>>

export interface Subscription {
  readonly names: readonly string[]
  readonly regex: string
}

/**
 * A consumer as KIP-848 wants it: it gives up what it is no longer assigned before it takes anything new, says what it
 * owns after each change of it, and drops all when it is fenced. How long it takes to give up is the test's to say.
 */
export class ConsumerClient {
  memberId: string
  readonly instanceId: string | null
  subscription: Subscription
  assignor: string | null
  epoch = 0
  /** What it uses. */
  owned: Partitions = new Map()
  /** What it was assigned last, if it has not got to it yet. */
  private assigned: Partitions | undefined
  private tellsAll = true
  private lostInARow = 0

  constructor(memberId: string, instanceId: string | null, subscription: Subscription, assignor: string | null) {
    this.memberId = memberId
    this.instanceId = instanceId
    this.subscription = subscription
    this.assignor = assignor
  }

  get hasToChange(): boolean {
    return this.assigned !== undefined
  }

  request(): Partial<HeartbeatRequest> {
    const { memberId, instanceId, epoch: memberEpoch, assignor, subscription } = this
    const base = { memberId, memberEpoch, instanceId }
    if (!this.tellsAll) return { ...base, topicPartitions: listed(this.owned) }
    return {
      ...base,
      rebalanceTimeoutMs: 30_000,
      subscribedTopicNames: subscription.names.slice(),
      subscribedTopicRegex: subscription.regex,
      serverAssignor: assignor,
      topicPartitions: listed(this.owned),
    }
  }

  /** What a consumer that has nothing to say sends. */
  ping(): Partial<HeartbeatRequest> {
    if (this.tellsAll) return this.request()
    return { memberId: this.memberId, memberEpoch: this.epoch, instanceId: this.instanceId }
  }

  subscribe(subscription: Subscription): void {
    this.subscription = subscription
    this.tellsAll = true
  }

  prefer(assignor: string): void {
    this.assignor = assignor
    this.tellsAll = true
  }

  /**
   * The response was lost. What was assigned and not taken yet may be another's by now: the coordinator was told of a member
   * that does not own it.
   */
  lost(): void {
    this.assigned = undefined
    this.tellsAll = true
    this.lostInARow++
  }

  take(response: HeartbeatResponse): void {
    const { lostInARow } = this
    this.lostInARow = 0
    const { errorCode } = response
    if (errorCode === ErrorCode.FENCED_MEMBER_EPOCH) assert.ok(lostInARow > 1, 'one lost response fences nobody')
    else if (errorCode !== ErrorCode.UNKNOWN_MEMBER_ID && errorCode !== ErrorCode.GROUP_ID_NOT_FOUND) {
      assert.equal(errorCode, ErrorCode.NONE, `a member is told ${errorCode}: ${response.errorMessage}`)
    }
    if (errorCode !== ErrorCode.NONE) {
      this.beginAnew()
      return
    }
    assert.equal(response.memberId, this.memberId)
    assert.ok(response.memberEpoch >= this.epoch, `epoch ${response.memberEpoch} after ${this.epoch}`)
    assert.ok(response.memberEpoch > 0, 'a member that joined has an epoch')
    this.epoch = response.memberEpoch
    this.tellsAll = false
    const { assignment } = response
    if (assignment === null || assignment === undefined) return
    const assigned = new Map(
      assignment.topicPartitions.map(({ topicId, partitions }) => [topicId as Uuid, new Set(partitions)]),
    )
    this.assigned = assigned
  }

  /** Gets to what it was assigned. True when it has something to say now. */
  change(): boolean {
    if (this.assigned === undefined) return false
    const kept: Partitions = new Map()
    let revoked = false
    for (const [topicId, partitions] of this.owned) {
      const still = new Set([...partitions].filter(partition => this.assigned!.get(topicId)?.has(partition)))
      revoked ||= still.size < partitions.size
      if (still.size > 0) kept.set(topicId, still)
    }
    if (revoked) {
      // New ones only after these are given up: the coordinator is told in between.
      this.owned = kept
      return true
    }
    const before = count(this.owned)
    this.owned = this.assigned
    this.assigned = undefined
    return count(this.owned) !== before
  }

  beginAnew(): void {
    this.epoch = 0
    this.owned = new Map()
    this.assigned = undefined
    this.tellsAll = true
  }
}

function listed(partitionsOf: Partitions): { topicId: Uuid; partitions: number[] }[] {
  return [...partitionsOf].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] }))
}

function count(partitionsOf: Partitions): number {
  let all = 0
  for (const partitions of partitionsOf.values()) all += partitions.size
  return all
}
