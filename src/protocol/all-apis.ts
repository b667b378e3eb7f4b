// Every API that clients and admin tools may call, in order of key. Importing this evaluates all tables: it is for tests
// and tools, while a handler imports its own table.

import type { Api } from './notation.ts'
import { addOffsetsToTxn } from './schema/add-offsets-to-txn.ts'
import { addPartitionsToTxn } from './schema/add-partitions-to-txn.ts'
import { addRaftVoter } from './schema/add-raft-voter.ts'
import { alterClientQuotas } from './schema/alter-client-quotas.ts'
import { alterConfigs } from './schema/alter-configs.ts'
import { alterPartitionReassignments } from './schema/alter-partition-reassignments.ts'
import { alterReplicaLogDirs } from './schema/alter-replica-log-dirs.ts'
import { alterShareGroupOffsets } from './schema/alter-share-group-offsets.ts'
import { alterUserScramCredentials } from './schema/alter-user-scram-credentials.ts'
import { apiVersions } from './schema/api-versions.ts'
import { consumerGroupDescribe } from './schema/consumer-group-describe.ts'
import { consumerGroupHeartbeat } from './schema/consumer-group-heartbeat.ts'
import { createAcls } from './schema/create-acls.ts'
import { createDelegationToken } from './schema/create-delegation-token.ts'
import { createPartitions } from './schema/create-partitions.ts'
import { createTopics } from './schema/create-topics.ts'
import { deleteAcls } from './schema/delete-acls.ts'
import { deleteGroups } from './schema/delete-groups.ts'
import { deleteRecords } from './schema/delete-records.ts'
import { deleteShareGroupOffsets } from './schema/delete-share-group-offsets.ts'
import { deleteShareGroupState } from './schema/delete-share-group-state.ts'
import { deleteTopics } from './schema/delete-topics.ts'
import { describeAcls } from './schema/describe-acls.ts'
import { describeClientQuotas } from './schema/describe-client-quotas.ts'
import { describeCluster } from './schema/describe-cluster.ts'
import { describeConfigs } from './schema/describe-configs.ts'
import { describeDelegationToken } from './schema/describe-delegation-token.ts'
import { describeGroups } from './schema/describe-groups.ts'
import { describeLogDirs } from './schema/describe-log-dirs.ts'
import { describeProducers } from './schema/describe-producers.ts'
import { describeQuorum } from './schema/describe-quorum.ts'
import { describeShareGroupOffsets } from './schema/describe-share-group-offsets.ts'
import { describeTopicPartitions } from './schema/describe-topic-partitions.ts'
import { describeTransactions } from './schema/describe-transactions.ts'
import { describeUserScramCredentials } from './schema/describe-user-scram-credentials.ts'
import { electLeaders } from './schema/elect-leaders.ts'
import { endTxn } from './schema/end-txn.ts'
import { expireDelegationToken } from './schema/expire-delegation-token.ts'
import { fetch } from './schema/fetch.ts'
import { findCoordinator } from './schema/find-coordinator.ts'
import { getTelemetrySubscriptions } from './schema/get-telemetry-subscriptions.ts'
import { heartbeat } from './schema/heartbeat.ts'
import { incrementalAlterConfigs } from './schema/incremental-alter-configs.ts'
import { initProducerId } from './schema/init-producer-id.ts'
import { initializeShareGroupState } from './schema/initialize-share-group-state.ts'
import { joinGroup } from './schema/join-group.ts'
import { leaveGroup } from './schema/leave-group.ts'
import { listConfigResources } from './schema/list-config-resources.ts'
import { listGroups } from './schema/list-groups.ts'
import { listOffsets } from './schema/list-offsets.ts'
import { listPartitionReassignments } from './schema/list-partition-reassignments.ts'
import { listTransactions } from './schema/list-transactions.ts'
import { metadata } from './schema/metadata.ts'
import { offsetCommit } from './schema/offset-commit.ts'
import { offsetDelete } from './schema/offset-delete.ts'
import { offsetFetch } from './schema/offset-fetch.ts'
import { offsetForLeaderEpoch } from './schema/offset-for-leader-epoch.ts'
import { produce } from './schema/produce.ts'
import { pushTelemetry } from './schema/push-telemetry.ts'
import { readShareGroupState } from './schema/read-share-group-state.ts'
import { readShareGroupStateSummary } from './schema/read-share-group-state-summary.ts'
import { removeRaftVoter } from './schema/remove-raft-voter.ts'
import { renewDelegationToken } from './schema/renew-delegation-token.ts'
import { saslAuthenticate } from './schema/sasl-authenticate.ts'
import { saslHandshake } from './schema/sasl-handshake.ts'
import { shareAcknowledge } from './schema/share-acknowledge.ts'
import { shareFetch } from './schema/share-fetch.ts'
import { shareGroupDescribe } from './schema/share-group-describe.ts'
import { shareGroupHeartbeat } from './schema/share-group-heartbeat.ts'
import { streamsGroupDescribe } from './schema/streams-group-describe.ts'
import { streamsGroupHeartbeat } from './schema/streams-group-heartbeat.ts'
import { streamsGroupTopologyDescriptionUpdate } from './schema/streams-group-topology-description-update.ts'
import { syncGroup } from './schema/sync-group.ts'
import { txnOffsetCommit } from './schema/txn-offset-commit.ts'
import { unregisterBroker } from './schema/unregister-broker.ts'
import { unregisterController } from './schema/unregister-controller.ts'
import { updateFeatures } from './schema/update-features.ts'
import { writeShareGroupState } from './schema/write-share-group-state.ts'
import { writeTxnMarkers } from './schema/write-txn-markers.ts'

export const allApis: readonly Api[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  alterReplicaLogDirs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  createDelegationToken,
  renewDelegationToken,
  expireDelegationToken,
  describeDelegationToken,
  deleteGroups,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  offsetDelete,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  alterUserScramCredentials,
  describeQuorum,
  updateFeatures,
  describeCluster,
  describeProducers,
  unregisterBroker,
  describeTransactions,
  listTransactions,
  consumerGroupHeartbeat,
  consumerGroupDescribe,
  getTelemetrySubscriptions,
  pushTelemetry,
  listConfigResources,
  describeTopicPartitions,
  shareGroupHeartbeat,
  shareGroupDescribe,
  shareFetch,
  shareAcknowledge,
  addRaftVoter,
  removeRaftVoter,
  initializeShareGroupState,
  readShareGroupState,
  writeShareGroupState,
  deleteShareGroupState,
  readShareGroupStateSummary,
  streamsGroupHeartbeat,
  streamsGroupDescribe,
  describeShareGroupOffsets,
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  streamsGroupTopologyDescriptionUpdate,
  unregisterController,
]
