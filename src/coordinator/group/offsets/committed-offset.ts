import { type MessageOf, zeroUuid } from '../../../protocol/index.ts'
import { offsetCommitRecord } from '../../../protocol/records-schema/offset-commit.ts'
import { type CoordinatorRecord, coordinatorRecord } from '../../runtime/record.ts'

/**
 * What a group has committed for one partition, as the log has it. `commitTimestamp` is wall clock; `expireTimestamp` is
 * -1 unless the client asked for a retention of its own; `topicId` is zero where it is not known, and otherwise tells the
 * topic from others of its name, before and after it.
 */
export type CommittedOffset = Readonly<MessageOf<(typeof offsetCommitRecord)['value']>>

/**
 * The record that says so. Only version 1 has an expiration, and it has neither leader epoch nor topic id: the clients
 * that ask for one (OffsetCommit before 5) know of neither.
 */
export function offsetRecord(
  groupId: string,
  topic: string,
  partition: number,
  committed: CommittedOffset,
): CoordinatorRecord {
  const version = committed.expireTimestamp !== -1 ? 1 : committed.topicId !== zeroUuid ? 4 : 3
  return coordinatorRecord(offsetCommitRecord, { group: groupId, topic, partition }, committed, version)
}

/** The record that takes it back. */
export function offsetTombstone(groupId: string, topic: string, partition: number): CoordinatorRecord {
  return coordinatorRecord(offsetCommitRecord, { group: groupId, topic, partition }, null)
}
