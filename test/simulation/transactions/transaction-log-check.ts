import assert from 'node:assert/strict'
import type { CoordinatorRecord } from '../../../src/coordinator/runtime/record.ts'
import { isRecordOf } from '../../../src/coordinator/runtime/record.ts'
import { transactionLogRecord } from '../../../src/protocol/records-schema/transaction-log.ts'

/** Of the value of a record. */
interface State {
  readonly producerId: bigint
  readonly nextProducerId: bigint
  readonly producerEpoch: number
  readonly transactionStatus: number
  readonly transactionPartitions: readonly { readonly topic: string; readonly partitionIds: readonly number[] }[] | null
}

const names = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'] as const
type Name = (typeof names)[number]

/** What may follow what; an abort of nothing takes an epoch from version 2 on. */
const mayFollow: Record<Name, readonly Name[]> = {
  Empty: ['Empty', 'Ongoing', 'PrepareAbort'],
  Ongoing: ['Ongoing', 'PrepareCommit', 'PrepareAbort'],
  PrepareCommit: ['CompleteCommit'],
  PrepareAbort: ['CompleteAbort'],
  CompleteCommit: ['Empty', 'Ongoing', 'PrepareAbort'],
  CompleteAbort: ['Empty', 'Ongoing', 'PrepareAbort'],
}

/**
 * Holds the log of a shard to its rules: a decision is never taken back or changed, epochs never go back, a producer id belongs to
 * one transactional id for good, and only what is over is forgotten.
 */
export class TransactionLogCheck {
  private readonly states = new Map<string, State>()
  /** By producer id, across all logs there ever were. */
  private readonly owners: Map<bigint, string>
  private readonly onCompleted: (partitions: readonly string[], producerId: bigint) => void
  private position = 0

  constructor(owners: Map<bigint, string>, onCompleted: (partitions: readonly string[], producerId: bigint) => void) {
    this.owners = owners
    this.onCompleted = onCompleted
  }

  /** Looks at what the log has got since. `found`: it is not news, but what a start found. */
  look(log: readonly CoordinatorRecord[], found = false): void {
    for (; this.position < log.length; this.position++) this.take(log[this.position]!, found)
  }

  private take(record: CoordinatorRecord, found: boolean): void {
    assert.ok(isRecordOf(record, transactionLogRecord))
    const id = record.key.transactionalId
    const before = this.states.get(id)
    if (record.value === null) {
      if (before !== undefined) assert.ok(!/Ongoing|Prepare/.test(nameOf(before)), `${id} is over when it is forgotten`)
      this.states.delete(id)
      return
    }
    const state: State = record.value
    const owner = this.owners.get(state.producerId)
    assert.ok(owner === undefined || owner === id, `${state.producerId} was given to ${owner}, and then to ${id}`)
    this.owners.set(state.producerId, id)
    this.states.set(id, state)
    if (before === undefined) {
      if (!found) assert.equal(nameOf(state), 'Empty')
      return
    }
    const step = `${id} ${shown(before)} -> ${shown(state)}`
    assert.ok(mayFollow[nameOf(before)].includes(nameOf(state)), step)
    this.checkProducer(before, state, step)
    this.checkPartitions(before, state, step)
    if (!found && nameOf(state).startsWith('Complete')) this.onCompleted(partitionsOf(before), before.producerId)
  }

  private checkProducer(before: State, after: State, step: string): void {
    if (after.producerId === before.producerId) {
      assert.ok(after.producerEpoch >= before.producerEpoch, `epochs never go back: ${step}`)
      const complete = nameOf(after).startsWith('Complete')
      if (complete || nameOf(after) === 'Ongoing') assert.equal(after.producerEpoch, before.producerEpoch, step)
      if (complete) assert.equal(before.nextProducerId, -1n, step)
      return
    }
    assert.equal(after.producerEpoch, 0, `a new producer id begins with epoch 0: ${step}`)
    assert.ok(after.producerId > before.producerId, `producer ids are never used again: ${step}`)
    if (nameOf(after).startsWith('Complete')) assert.equal(after.producerId, before.nextProducerId, step)
    else assert.equal(nameOf(after), 'Empty', step)
  }

  private checkPartitions(before: State, after: State, step: string): void {
    const [old, now] = [partitionsOf(before), partitionsOf(after)]
    const name = nameOf(after)
    if (name.startsWith('Prepare')) assert.deepEqual(now, nameOf(before) === 'Ongoing' ? old : [], step)
    else if (name !== 'Ongoing') assert.deepEqual(now, [], step)
    else if (nameOf(before) === 'Ongoing') for (const partition of old) assert.ok(now.includes(partition), step)
  }
}

const nameOf = ({ transactionStatus }: State): Name => names[transactionStatus]!

const shown = (state: State): string =>
  `${nameOf(state)} ${state.producerId}/${state.producerEpoch} [${partitionsOf(state)}]`

const partitionsOf = ({ transactionPartitions }: State): string[] =>
  (transactionPartitions ?? [])
    .flatMap(({ topic, partitionIds }) => partitionIds.map(each => `${topic}-${each}`))
    .sort()
