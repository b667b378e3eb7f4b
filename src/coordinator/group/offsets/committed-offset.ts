import { type MessageOf, zeroUuid } from '../../../protocol/index.ts'
import { offsetCommitRecord } from '../../../protocol/records-schema/offset-commit.ts'
import { type CoordinatorRecord, coordinatorRecord } from '../../runtime/record.ts'

/**
 * What a group has committed for one partition, as the log has it. `commitTimestamp` is wall clock; `expireTimestamp` is
 * -1 unless the client asked for a retention of its own; `topicId` is zero where it is not known, and otherwise tells the
 * topic from others of its name, before and after it.
 */
export type CommittedOffset = Readonly<MessageOf<(typeof offsetCommitRecord)['value']>>

/** The record that says so, and what of `committed` its version can say. */
export function offsetRecord(
  groupId: string,
  topic: string,
  partition: number,
  committed: CommittedOffset,
): CoordinatorRecord {
  const key = { group: groupId, topic, partition }
  if (committed.expireTimestamp !== -1) {
    // Only version 1 has an expiration, and it has neither of these: the clients that ask for one know of neither.
    const said = { ...committed, leaderEpoch: -1, topicId: zeroUuid }
    return coordinatorRecord(offsetCommitRecord, key, said, 1)
  }
  return coordinatorRecord(offsetCommitRecord, key, committed, committed.topicId === zeroUuid ? 3 : 4)
}

/** The record that takes it back. */
export function offsetTombstone(groupId: string, topic: string, partition: number): CoordinatorRecord {
  return coordinatorRecord(offsetCommitRecord, { group: groupId, topic, partition }, null)
}
