import { parseBoolean } from './definition.ts'
import type { ConfigText, CoordinatorTopicValues } from './group-values.ts'

/** What the broker's configs say of transactions. */
export interface LiveTransactionValues {
  readonly maxTimeoutMs: number // transaction.max.timeout.ms
  readonly idExpirationMs: number // transactional.id.expiration.ms
  readonly removeExpiredIntervalMs: number // transaction.remove.expired.transaction.cleanup.interval.ms
  readonly verifyPartitions: boolean // transaction.partition.verification.enable
  readonly twoPhaseCommit: boolean // transaction.two.phase.commit.enable
  readonly stateTopic: CoordinatorTopicValues
}

export function transactionValues(text: ConfigText): LiveTransactionValues {
  const number = (name: string): number => Number(text(name))
  return {
    maxTimeoutMs: number('transaction.max.timeout.ms'),
    idExpirationMs: number('transactional.id.expiration.ms'),
    removeExpiredIntervalMs: number('transaction.remove.expired.transaction.cleanup.interval.ms'),
    verifyPartitions: parseBoolean(text('transaction.partition.verification.enable')),
    twoPhaseCommit: parseBoolean(text('transaction.two.phase.commit.enable')),
    stateTopic: {
      partitions: number('transaction.state.log.num.partitions'),
      replicationFactor: number('transaction.state.log.replication.factor'),
      segmentBytes: number('transaction.state.log.segment.bytes'),
      minInSyncReplicas: number('transaction.state.log.min.isr'),
    },
  }
}
