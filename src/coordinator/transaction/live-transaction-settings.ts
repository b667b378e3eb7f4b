import type { LiveSettings } from '../../config/live-settings.ts'
import type { LiveTransactionValues } from '../../config/transaction-values.ts'
import type { FeatureLevels } from '../../metadata/features.ts'
import type { TransactionSettings } from './transaction.ts'

/** Settings of transactions as they stand: the broker's configs and the cluster's transaction.version. */
export class LiveTransactionSettings implements TransactionSettings {
  private readonly live: Pick<LiveSettings, 'current'>
  private readonly features: Pick<FeatureLevels, 'level'>

  constructor(live: Pick<LiveSettings, 'current'>, features: Pick<FeatureLevels, 'level'>) {
    this.live = live
    this.features = features
  }

  get maxTimeoutMs(): number {
    return this.values.maxTimeoutMs
  }
  get idExpirationMs(): number {
    return this.values.idExpirationMs
  }
  get removeExpiredIntervalMs(): number {
    return this.values.removeExpiredIntervalMs
  }
  get verifyPartitions(): boolean {
    return this.values.verifyPartitions
  }
  get twoPhaseCommit(): boolean {
    return this.values.twoPhaseCommit
  }
  get transactionVersion(): number {
    return this.features.level('transaction.version')
  }

  private get values(): LiveTransactionValues {
    return this.live.current.transactions
  }
}
