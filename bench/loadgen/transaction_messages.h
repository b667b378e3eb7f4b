#pragma once

#include <span>
#include <string>
#include <string_view>

#include "messages.h"

namespace millrace::loadgen {

struct ProducerIdentity {
  int64_t id = -1;
  int16_t epoch = -1;
};

// The producer of a transactional id, on a blocking connection: waits for its coordinator, which
// begins with the first request, and for what an earlier producer of that id left open.
ProducerIdentity InitProducer(int fd, std::string_view transactional_id);

// Whole request frames but for their head. Of both versions of transactions: in version 1
// partitions are added by AddPartitionsToTxn before the first Produce, in version 2 by the Produce
// itself (request version 12), and each EndTxn answers with the next epoch.
struct TransactionTopic {
  std::string_view transactional_id;
  std::string_view topic;
};
std::string AddPartitionsRest(const TransactionTopic& to, const ProducerIdentity& producer,
                              std::span<const int32_t> partitions);
std::string CommitRest(int transaction_version, std::string_view transactional_id,
                       const ProducerIdentity& producer);
Writer BeginTransactionalProduce(int transaction_version, const TransactionTopic& to,
                                 size_t partition_count);
void AppendPartition(Writer& writer, int transaction_version, int32_t partition, Bytes records);
void FinishTransactionalProduce(Writer& writer, int transaction_version);

int16_t ProduceVersion(int transaction_version);
int16_t EndTxnVersion(int transaction_version);

// Read a response after its correlation id. The result is the error of all partitions: theirs must
// agree, as there is nothing that could befall one of a transaction's partitions alone here.
int16_t ReadAddPartitions(Bytes body);
int16_t ReadTransactionalProduce(int transaction_version, Bytes body);
// Sets the identity that the next transaction is to have.
int16_t ReadCommit(int transaction_version, Bytes body, ProducerIdentity& producer);

inline constexpr int16_t kConcurrentTransactions = 51;

}  // namespace millrace::loadgen
