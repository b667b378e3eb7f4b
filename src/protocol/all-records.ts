// Every record of the coordinators' own topics. Importing this evaluates all tables: a coordinator imports its own.

import type { RecordSchema } from './notation.ts'
import { consumerGroupCurrentMemberAssignmentRecord } from './records-schema/consumer-group-current-member-assignment.ts'
import { consumerGroupMemberMetadataRecord } from './records-schema/consumer-group-member-metadata.ts'
import { consumerGroupMetadataRecord } from './records-schema/consumer-group-metadata.ts'
import { consumerGroupPartitionMetadataRecord } from './records-schema/consumer-group-partition-metadata.ts'
import { consumerGroupRegularExpressionRecord } from './records-schema/consumer-group-regular-expression.ts'
import { consumerGroupTargetAssignmentMemberRecord } from './records-schema/consumer-group-target-assignment-member.ts'
import { consumerGroupTargetAssignmentMetadataRecord } from './records-schema/consumer-group-target-assignment-metadata.ts'
import { groupMetadataRecord } from './records-schema/group-metadata.ts'
import { legacyOffsetCommitRecord } from './records-schema/legacy-offset-commit.ts'
import { offsetCommitRecord } from './records-schema/offset-commit.ts'
import { shareGroupCurrentMemberAssignmentRecord } from './records-schema/share-group-current-member-assignment.ts'
import { shareGroupMemberMetadataRecord } from './records-schema/share-group-member-metadata.ts'
import { shareGroupMetadataRecord } from './records-schema/share-group-metadata.ts'
import { shareGroupStatePartitionMetadataRecord } from './records-schema/share-group-state-partition-metadata.ts'
import { shareGroupTargetAssignmentMemberRecord } from './records-schema/share-group-target-assignment-member.ts'
import { shareGroupTargetAssignmentMetadataRecord } from './records-schema/share-group-target-assignment-metadata.ts'
import { shareSnapshotRecord } from './records-schema/share-snapshot.ts'
import { shareUpdateRecord } from './records-schema/share-update.ts'
import { streamsGroupCurrentMemberAssignmentRecord } from './records-schema/streams-group-current-member-assignment.ts'
import { streamsGroupMemberMetadataRecord } from './records-schema/streams-group-member-metadata.ts'
import { streamsGroupMetadataRecord } from './records-schema/streams-group-metadata.ts'
import { streamsGroupTargetAssignmentMemberRecord } from './records-schema/streams-group-target-assignment-member.ts'
import { streamsGroupTargetAssignmentMetadataRecord } from './records-schema/streams-group-target-assignment-metadata.ts'
import { streamsGroupTopologyRecord } from './records-schema/streams-group-topology.ts'
import { transactionLogRecord } from './records-schema/transaction-log.ts'

/** Records of __consumer_offsets. */
export const consumerOffsetsRecords: readonly RecordSchema[] = [
  legacyOffsetCommitRecord,
  offsetCommitRecord,
  groupMetadataRecord,
  consumerGroupMetadataRecord,
  consumerGroupPartitionMetadataRecord,
  consumerGroupMemberMetadataRecord,
  consumerGroupTargetAssignmentMetadataRecord,
  consumerGroupTargetAssignmentMemberRecord,
  consumerGroupCurrentMemberAssignmentRecord,
  shareGroupMemberMetadataRecord,
  shareGroupMetadataRecord,
  shareGroupTargetAssignmentMetadataRecord,
  shareGroupTargetAssignmentMemberRecord,
  shareGroupCurrentMemberAssignmentRecord,
  shareGroupStatePartitionMetadataRecord,
  consumerGroupRegularExpressionRecord,
  streamsGroupMetadataRecord,
  streamsGroupMemberMetadataRecord,
  streamsGroupTargetAssignmentMetadataRecord,
  streamsGroupTargetAssignmentMemberRecord,
  streamsGroupCurrentMemberAssignmentRecord,
  streamsGroupTopologyRecord,
]

/** Records of __transaction_state. */
export const transactionStateRecords: readonly RecordSchema[] = [transactionLogRecord]

/** Records of __share_group_state. */
export const shareStateRecords: readonly RecordSchema[] = [shareSnapshotRecord, shareUpdateRecord]
