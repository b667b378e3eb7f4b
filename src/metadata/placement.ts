import { err, ok, type Result } from '../base/result.ts'
import { ErrorCode } from '../protocol/index.ts'
import type { PartitionImage } from './image.ts'

export interface Refusal {
  readonly code: ErrorCode
  readonly message: string | null
}

export interface PlacementDefaults {
  readonly nodeId: number
  readonly numPartitions: number
  readonly replicationFactor: number
}

/** Partitions of one topic at most: each is a directory with files of its own, and all of a topic are one metadata value. */
export const maxPartitionsPerTopic = 10_000
/** Partitions that one request may make, as in Kafka. */
export const maxPartitionsPerRequest = 10_000
/** A partition's first leader epoch. */
const firstLeaderEpoch = 0

export const refuse = (code: ErrorCode, message: string): { readonly ok: false; readonly error: Refusal } =>
  err({ code, message })

/** Places partitions where the broker sees fit. */
export function placeFreely(
  count: number,
  replicationFactor: number,
  { nodeId }: PlacementDefaults,
): Result<PartitionImage[], Refusal> {
  if (replicationFactor > 1)
    return refuse(
      ErrorCode.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${replicationFactor} time(s): The target replication factor of ` +
        `${replicationFactor} cannot be reached because only 1 broker(s) are registered.`,
    )
  return ok(Array.from({ length: count }, () => placeOn([nodeId])))
}

/** Places partitions on the brokers that the request names, each list for one partition. */
export function placeAsAssigned(
  assignments: readonly (readonly number[])[],
  { nodeId }: PlacementDefaults,
): Result<PartitionImage[], Refusal> {
  const partitions: PartitionImage[] = []
  for (const replicas of assignments) {
    const why = refuseReplicas(replicas, nodeId)
    if (why !== undefined) return refuse(ErrorCode.INVALID_REPLICA_ASSIGNMENT, `The manual partition assignment ${why}`)
    partitions.push(placeOn(replicas))
  }
  return ok(partitions)
}

/** Looks at brokers in ascending order, as Kafka does, so that both name the same one. */
function refuseReplicas(replicas: readonly number[], nodeId: number): string | undefined {
  if (replicas.length === 0) return 'includes an empty replica list.'
  let previous: number | undefined
  for (const replica of [...replicas].sort((a, b) => a - b)) {
    if (replica !== nodeId) return `includes broker ${replica}, but no such broker is registered.`
    if (replica === previous) return `includes the broker ${replica} more than once.`
    previous = replica
  }
  return undefined
}

const placeOn = (replicas: readonly number[]): PartitionImage => ({
  leader: replicas[0]!,
  leaderEpoch: firstLeaderEpoch,
  isr: replicas,
  replicas,
})
