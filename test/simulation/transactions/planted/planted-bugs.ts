import type { Edit } from '../../../transactions/lib/edits.ts'

/** Shards of transactions that break a promise: the random lives must tell each of them from a sound one. */
export const planted: Readonly<Record<string, Edit>> = {
  'epochs not compared when partitions are added': {
    file: 'src/coordinator/transaction/add-partitions.ts',
    find: '  if (isSame(metadata, asked)) return ErrorCode.NONE',
    replace: '  if (metadata.producerId === asked.producerId) return ErrorCode.NONE',
  },
  'epochs not compared at the end below version 2': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: '  if (metadata.producerEpoch !== request.producerEpoch) return ErrorCode.PRODUCER_FENCED',
    replace: '',
  },
  'epochs not compared at the end from version 2 on': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: '  if (!isSame(current, request)) return ErrorCode.PRODUCER_FENCED',
    replace: '',
  },
  'new producers given the epoch of the one before': {
    file: 'src/coordinator/transaction/init-producer-id.ts',
    find: 'producerEpoch: producerEpoch + 1 }',
    replace: 'producerEpoch: Math.max(producerEpoch, 0) }',
  },
  'fencing below version 2 that keeps the epoch': {
    file: 'src/coordinator/transaction/transitions.ts',
    find: '{ ...before, producerEpoch: nextEpoch(before), lastProducerEpoch: noEpoch }',
    replace: 'before',
  },
  'any epoch taken for that of a retry': {
    file: 'src/coordinator/transaction/init-producer-id.ts',
    find: 'return isRetry(metadata, expected) ?',
    replace: 'return expected.producerId === metadata.producerId ?',
  },
  'markers not sent again after a load': {
    file: 'src/coordinator/transaction/transaction-shard.ts',
    find: 'this.endings.resume(now, turn)',
    replace: 'void now',
  },
  'markers sent before the decision is committed': {
    file: 'src/coordinator/transaction/endings.ts',
    find: '    turn.answer(this.sender, job)',
    replace: '    this.sender.answered(job)',
  },
  'jobs of earlier lives believed': {
    file: 'src/coordinator/transaction/endings.ts',
    find: 'if (this.jobs.get(transactionalId) !== job) return',
    replace: 'if (!this.jobs.has(transactionalId)) return',
  },
  'no timeouts': {
    file: 'src/coordinator/transaction/timeouts.ts',
    find: '    this.arm(transactionalId, leftMs, turn)\n  }',
    replace: '    void leftMs\n  }',
  },
  'no timeouts after a load': {
    file: 'src/coordinator/transaction/transaction-shard.ts',
    find: '        this.timeouts.watch(metadata, turn)\n        turn = yield resumeCost',
    replace: '        turn = yield resumeCost',
  },
  'requests that wait for markers in vain': {
    file: 'src/coordinator/transaction/endings.ts',
    find: '    this.onCompleted(metadata.transactionalId, turn)',
    replace: '',
  },
  'requests that wait for markers for ever': {
    file: 'src/coordinator/transaction/parked-requests.ts',
    find: 'turn.after(timerKey(transactionalId), delayMs,',
    replace: 'turn.after(timerKey(transactionalId), 1e12 + delayMs,',
  },
  'open transactions forgotten': {
    file: 'src/coordinator/transaction/expiry.ts',
    find: 'isIdle(metadata) && metadata',
    replace: 'metadata',
  },
  'a changed producer id forgotten at the end': {
    file: 'src/coordinator/transaction/transitions.ts',
    find: 'const changesId = before.nextProducerId !== noProducerId',
    replace: 'const changesId = false',
  },
  'no end of epochs': {
    file: 'src/coordinator/transaction/transaction-metadata.ts',
    find: 'producerEpoch >= lastEpoch - 1',
    replace: 'producerEpoch >= lastEpoch + 1',
  },
  'retries of the end taken for news': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: 'if (!hasEnded(metadata) || metadata',
    replace: 'if (hasEnded(metadata) || metadata',
  },
  'a changed mind told yes from version 2 on': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: "    return wasCommitted(metadata) === request.committed ? 'again' : ErrorCode.INVALID_TXN_STATE\n  const waits",
    replace: "    return 'again'\n  const waits",
  },
  'a changed mind told yes below version 2': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: "  return wasCommitted(metadata) === request.committed ? 'again' : ErrorCode.INVALID_TXN_STATE\n}",
    replace: "  return 'again'\n}",
  },
  'partitions of a transaction lost': {
    file: 'src/coordinator/transaction/transaction-shard.ts',
    find: 'const before = isIdle(metadata) ? [] : metadata.topics',
    replace: 'const before: readonly TopicPartitions[] = []',
  },
  'a last epoch left to who was replaced': {
    file: 'src/coordinator/transaction/init-producer-id.ts',
    find: 'goesOn ? producerEpoch : noEpoch }',
    replace: 'producerEpoch }',
  },
  'the next producer id not logged': {
    file: 'src/coordinator/transaction/transaction-metadata.ts',
    find: 'transactionVersion > 0 || endedByEpoch ? 1 : 0',
    replace: '0',
  },
  'the last epoch not read from the log': {
    file: 'src/coordinator/transaction/transaction-metadata.ts',
    find: 'lastProducerEpoch: impliedLastEpoch(metadata)',
    replace: 'lastProducerEpoch: noEpoch',
  },
  'commits turned into aborts by a load': {
    file: 'src/coordinator/transaction/endings.ts',
    find: 'committed: metadata.state === TransactionState.prepareCommit,',
    replace: 'committed: metadata.state === TransactionState.prepareCommit && !(this.context.coordinatorEpoch > 0),',
  },
  'partitions without a marker': {
    file: 'src/coordinator/transaction/endings.ts',
    find: 'partitions: new AllPartitions(metadata.topics),',
    replace: 'partitions: [...new AllPartitions(metadata.topics)].slice(0, 2),',
  },
  'transactions of who is fenced committed': {
    file: 'src/coordinator/transaction/transitions.ts',
    find: 'const abort: Decision = { ...decision, committed: false }',
    replace: 'const abort: Decision = { ...decision, committed: true }',
  },
  'verification that lets all pass': {
    file: 'src/coordinator/transaction/transaction-shard.ts',
    find: '? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE',
    replace: '? ErrorCode.NONE : ErrorCode.NONE',
  },
  'partitions said to be added while markers are written': {
    file: 'src/coordinator/transaction/add-partitions.ts',
    find: "return refusal === ErrorCode.NONE ? 'wait' : refusal",
    replace: 'return refusal',
  },
  'open transactions not logged': {
    file: 'src/coordinator/transaction/transaction-states.ts',
    find: '    turn.append(this.recordOf(metadata))',
    replace: '    if (metadata.state !== TransactionState.ongoing) turn.append(this.recordOf(metadata))',
  },
  'epochs compared across versions': {
    file: 'src/coordinator/transaction/end-txn.ts',
    find: ' || metadata.clientTransactionVersion < epochPerTransaction) return false',
    replace: ') return false',
  },
  'no epoch moved by transactions of version 2': {
    file: 'src/coordinator/transaction/transitions.ts',
    find: 'producerEpoch: bumps ? nextEpoch(before) : before.producerEpoch,',
    replace: 'producerEpoch: before.producerEpoch,',
  },
}
