/** What clients are told of the cluster beside its topics. */
export interface ClusterView {
  readonly clusterId: string
  readonly nodeId: number
  readonly rack: string | null
  /** Where clients that came to `connection` should come back. */
  advertised(connection: number): { host: string; port: number }
}
