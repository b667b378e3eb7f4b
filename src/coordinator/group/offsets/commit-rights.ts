import { ErrorCode } from '../../../protocol/index.ts'
import type { CommitClaim, Group } from '../group.ts'
import type { KnownPartition } from './commit.ts'

/** NONE when the group takes a commit of these partitions from who claims to be this; no group: it is not there. */
export function refuseCommit(
  group: Group | undefined,
  claim: CommitClaim,
  partitions: Iterable<KnownPartition>,
): ErrorCode {
  if (group === undefined) return refuseWithoutGroup(claim)
  const refusal = group.refuseCommit(claim)
  if (refusal !== ErrorCode.STALE_MEMBER_EPOCH) return refusal
  if (acceptsStale(group, claim, partitions)) return ErrorCode.NONE
  // TxnOffsetCommit has no word for epochs.
  return claim.transactional ? ErrorCode.ILLEGAL_GENERATION : refusal
}

function refuseWithoutGroup({ generation, transactional, apiVersion }: CommitClaim): ErrorCode {
  // Without a generation it comes from a tool, or from a client that does without membership.
  if (generation < 0) return ErrorCode.NONE
  return transactional || apiVersion < 9 ? ErrorCode.ILLEGAL_GENERATION : ErrorCode.GROUP_ID_NOT_FOUND
}

/** All or none, as in Kafka: the client takes the error for that of its member. */
function acceptsStale(group: Group, claim: CommitClaim, partitions: Iterable<KnownPartition>): boolean {
  if (group.acceptsStaleCommit === undefined) return false
  for (const [topic, partition] of partitions) if (!group.acceptsStaleCommit(claim, topic.name, partition)) return false
  return true
}
