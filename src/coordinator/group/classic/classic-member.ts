import type { ResponseInput } from '../../../protocol/index.ts'
import type { joinGroup } from '../../../protocol/schema/join-group.ts'
import type { syncGroup } from '../../../protocol/schema/sync-group.ts'
import type { Asker } from '../../runtime/shard.ts'
import type { ClassicMemberState, ClassicProtocol } from '../migration/migration.ts'

/** A JoinGroup that waits; what an answer may hold depends on its version. */
export interface JoinAsker {
  readonly asker: Asker<ResponseInput<typeof joinGroup>>
  readonly apiVersion: number
}
export type SyncAsker = Asker<ResponseInput<typeof syncGroup>>

export const noAssignment = new Uint8Array(0)

/** A member of a classic group. What the group counts over its members (protocols, who waits) is set by Members alone. */
export class ClassicMember implements ClassicMemberState {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** In the order in which the member prefers them; their names differ. */
  protocols: readonly ClassicProtocol[]
  assignment: Uint8Array
  /** Its JoinGroup waits for the rebalance to complete. */
  joining: JoinAsker | undefined
  /** Its SyncGroup waits for the leader's. */
  syncing: SyncAsker | undefined
  /** It does not know its generation yet, so it cannot send heartbeats, and its waiting is not a sign of life. */
  isNew = false
  /** Monotonic. A sign of life only moves it; the timer looks at it when it rings. */
  sessionEndsMs = 0
  /** When the session's timer rings; Infinity when there is none. */
  sessionTimerMs = Number.POSITIVE_INFINITY

  constructor(state: ClassicMemberState) {
    this.memberId = state.memberId
    this.instanceId = state.instanceId
    this.clientId = state.clientId
    this.clientHost = state.clientHost
    this.rebalanceTimeoutMs = state.rebalanceTimeoutMs
    this.sessionTimeoutMs = state.sessionTimeoutMs
    this.protocols = state.protocols
    this.assignment = state.assignment
  }

  /** Whether a request of it waits here, so that it cannot be expected to send heartbeats. */
  get waits(): boolean {
    return !this.isNew && (this.joining !== undefined || this.syncing !== undefined)
  }

  metadataOf(protocolName: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? noAssignment
  }

  /** The same protocols in the same order with the same bytes. */
  supportsExactly(protocols: readonly ClassicProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, at) => {
        const own = this.protocols[at]!
        return own.name === name && Buffer.compare(own.metadata, metadata) === 0
      })
    )
  }
}
