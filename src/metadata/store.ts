/**
 * Cluster metadata as keys with revisions. A transaction happens whole or not at all, and only if every key it compares
 * still has the revision it names; readers and watchers see it once it is durable.
 */
export interface MetadataStore {
  get(key: string): MetadataEntry | undefined
  /** Entries whose keys begin with `prefix`, by key. */
  list(prefix: string): [string, MetadataEntry][]
  /** Rejects when the store cannot write; then nothing has changed. */
  commit(transaction: MetadataTransaction): Promise<CommitOutcome>
  /** Calls `listener` with each change under `prefix`, in revision order, until the returned function is called. */
  watch(prefix: string, listener: (change: MetadataChange) => void): () => void
  /** Holds `key` for this process; a store of one node grants at once and until it is released. */
  lease(key: string): Promise<MetadataLease>
  close(): Promise<void>
}

export interface MetadataEntry {
  /** A JSON value. */
  readonly value: unknown
  /** Grows with each change; never 0. */
  readonly revision: number
}

export interface MetadataTransaction {
  /** Revision 0 means: the key is absent. */
  readonly compare: readonly { readonly key: string; readonly revision: number }[]
  readonly put: readonly { readonly key: string; readonly value: unknown }[]
  readonly remove: readonly string[]
}

export type CommitOutcome = { readonly committed: true; readonly revision: number } | { readonly committed: false }

export interface MetadataChange {
  readonly key: string
  /** Undefined when the key was removed. */
  readonly entry: MetadataEntry | undefined
}

export interface MetadataLease {
  /** True while the lease is certain to be held. */
  held(): boolean
  release(): Promise<void>
}
