#include "transaction_messages.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "admin.h"
#include "program.h"

namespace millrace::loadgen {
namespace {

constexpr int8_t kTransactionKey = 1;
constexpr int32_t kTransactionTimeoutMs = 60'000;
constexpr int32_t kProduceTimeoutMs = 30'000;
constexpr int64_t kInitLimitNs = 30 * kNsPerSecond;
constexpr useconds_t kPollUs = 20'000;

[[noreturn]] void Unreadable(const char* what) { Fatal("cannot read the %s response", what); }

// The error that all partitions of a response share.
class SharedError {
 public:
  void Add(int16_t error) {
    if (error_.has_value() && *error_ != error) {
      Fatal("partitions of one transaction met %s and %s", ErrorName(*error_).c_str(),
            ErrorName(error).c_str());
    }
    error_ = error;
  }
  int16_t Get(const Reader& reader, const char* what) const {
    if (!reader.ok() || reader.remaining() > 0 || !error_.has_value()) Unreadable(what);
    return *error_;
  }

 private:
  std::optional<int16_t> error_;
};

// Answers that mean "soon": the coordinator's topic is made by the first request, then loaded.
bool ComesLater(int16_t error) {
  return (error >= 14 && error <= 16) || error == kConcurrentTransactions;
}

// Asks until the answer is final; `read` takes what follows throttle time and error.
template <typename Read>
void AskUntilReady(int fd, Api api, const std::string& rest, const char* what, Read read) {
  for (int64_t limit = NowNs() + kInitLimitNs;;) {
    std::string body = Exchange(fd, api, 0, rest);
    Reader reader(body);
    reader.Int32();
    int16_t error = reader.Int16();
    if (error == 0) {
      read(reader);
      if (!reader.ok()) Unreadable(what);
      return;
    }
    if (!ComesLater(error) || NowNs() > limit) Fatal("%s: %s", what, ErrorName(error).c_str());
    usleep(kPollUs);
  }
}

}  // namespace

ProducerIdentity InitProducer(int fd, std::string_view transactional_id) {
  Writer find = BeginRequest();
  find.String(transactional_id).Int8(kTransactionKey);
  AskUntilReady(fd, Api::kFindCoordinator, find.Take(), "FindCoordinator", [](Reader&) {});
  Writer init = BeginRequest();
  init.String(transactional_id).Int32(kTransactionTimeoutMs);
  ProducerIdentity producer;
  AskUntilReady(fd, Api::kInitProducerId, init.Take(), "InitProducerId", [&](Reader& reader) {
    producer.id = reader.Int64();
    producer.epoch = reader.Int16();
  });
  return producer;
}

std::string AddPartitionsRest(const TransactionTopic& to, const ProducerIdentity& producer,
                              std::span<const int32_t> partitions) {
  Writer writer = BeginRequest();
  writer.String(to.transactional_id).Int64(producer.id).Int16(producer.epoch);
  writer.Int32(1).String(to.topic).Int32(static_cast<int32_t>(partitions.size()));
  for (int32_t partition : partitions) writer.Int32(partition);
  return writer.Take();
}

int16_t ReadAddPartitions(Bytes body) {
  Reader reader(body);
  reader.Int32();  // throttle time
  SharedError error;
  for (size_t topics = reader.Count(6); topics > 0; --topics) {
    reader.String();
    for (size_t partitions = reader.Count(6); partitions > 0; --partitions) {
      reader.Int32();
      error.Add(reader.Int16());
    }
  }
  return error.Get(reader, "AddPartitionsToTxn");
}

int16_t ProduceVersion(int transaction_version) {
  return transaction_version == 2 ? 12 : VersionOf(Api::kProduce);
}

int16_t EndTxnVersion(int transaction_version) {
  return transaction_version == 2 ? 5 : VersionOf(Api::kEndTxn);
}

std::string CommitRest(int transaction_version, std::string_view transactional_id,
                       const ProducerIdentity& producer) {
  constexpr int8_t kCommit = 1;
  if (transaction_version == 2) {
    Writer writer = BeginFlexibleRequest();
    writer.CompactString(transactional_id).Int64(producer.id).Int16(producer.epoch);
    return writer.Int8(kCommit).NoTags().Take();
  }
  Writer writer = BeginRequest();
  writer.String(transactional_id).Int64(producer.id).Int16(producer.epoch).Int8(kCommit);
  return writer.Take();
}

int16_t ReadCommit(int transaction_version, Bytes body, ProducerIdentity& producer) {
  Reader reader(body);
  if (transaction_version == 2) reader.SkipTags();
  reader.Int32();  // throttle time
  int16_t error = reader.Int16();
  if (transaction_version == 2) {
    ProducerIdentity next{reader.Int64(), reader.Int16()};
    reader.SkipTags();
    if (error == 0) producer = next;
  }
  if (!reader.ok() || reader.remaining() > 0) Unreadable("EndTxn");
  return error;
}

Writer BeginTransactionalProduce(int transaction_version, const TransactionTopic& to,
                                 size_t partition_count) {
  constexpr int16_t kAcksAll = -1;
  if (transaction_version == 2) {
    Writer writer = BeginFlexibleRequest();
    writer.CompactString(to.transactional_id).Int16(kAcksAll).Int32(kProduceTimeoutMs);
    writer.CompactCount(1).CompactString(to.topic).CompactCount(partition_count);
    return writer;
  }
  Writer writer = BeginRequest();
  writer.String(to.transactional_id).Int16(kAcksAll).Int32(kProduceTimeoutMs);
  writer.Int32(1).String(to.topic).Int32(static_cast<int32_t>(partition_count));
  return writer;
}

void AppendPartition(Writer& writer, int transaction_version, int32_t partition, Bytes records) {
  std::string_view text(records.data(), records.size());
  if (transaction_version == 2) {
    writer.Int32(partition).CompactString(text).NoTags();
    return;
  }
  AppendPartitionHead(writer, partition, records.size());
  writer.Raw(text);
}

void FinishTransactionalProduce(Writer& writer, int transaction_version) {
  if (transaction_version == 2) writer.NoTags().NoTags();  // of the topic, of the request
}

int16_t ReadTransactionalProduce(int transaction_version, Bytes body) {
  if (transaction_version != 2) {
    ErrorCounts errors;
    size_t failed = 0;
    if (!ReadProduceResponse(body, errors, failed)) Unreadable("Produce");
    return errors.empty() ? int16_t{0} : errors.begin()->first;
  }
  Reader reader(body);
  reader.SkipTags();
  SharedError error;
  for (size_t topics = reader.CompactCount(3); topics > 0; --topics) {
    reader.CompactString();
    for (size_t partitions = reader.CompactCount(33); partitions > 0; --partitions) {
      reader.Int32();
      error.Add(reader.Int16());
      reader.Skip(24);  // base offset, log append time, log start offset
      for (size_t records = reader.CompactCount(6); records > 0; --records) {
        reader.Int32();
        reader.CompactString();
        reader.SkipTags();
      }
      reader.CompactString();
      reader.SkipTags();
    }
    reader.SkipTags();
  }
  reader.Int32();  // throttle time
  reader.SkipTags();
  return error.Get(reader, "Produce");
}

}  // namespace millrace::loadgen
