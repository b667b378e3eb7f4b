#include "messages.h"

namespace millrace::loadgen {

void StoreRequestHead(char* to, Api api, int16_t version, int32_t correlation_id,
                      size_t rest_bytes) {
  StoreBigEndian(to, static_cast<int32_t>(kRequestHeadBytes - kSizeBytes + rest_bytes));
  StoreBigEndian(to + 4, static_cast<int16_t>(api));
  StoreBigEndian(to + 6, version);
  StoreBigEndian(to + 8, correlation_id);
}

Writer BeginRequest() {
  Writer writer;
  writer.String("millrace-loadgen");
  return writer;
}

Writer BeginFlexibleRequest() {
  Writer writer = BeginRequest();
  writer.NoTags();
  return writer;
}

std::string ErrorName(int16_t code) {
  switch (code) {
    case -1:
      return "UNKNOWN_SERVER_ERROR";
    case 1:
      return "OFFSET_OUT_OF_RANGE";
    case 2:
      return "CORRUPT_MESSAGE";
    case 3:
      return "UNKNOWN_TOPIC_OR_PARTITION";
    case 5:
      return "LEADER_NOT_AVAILABLE";
    case 6:
      return "NOT_LEADER_OR_FOLLOWER";
    case 7:
      return "REQUEST_TIMED_OUT";
    case 10:
      return "MESSAGE_TOO_LARGE";
    case 14:
      return "COORDINATOR_LOAD_IN_PROGRESS";
    case 15:
      return "COORDINATOR_NOT_AVAILABLE";
    case 16:
      return "NOT_COORDINATOR";
    case 19:
      return "NOT_ENOUGH_REPLICAS";
    case 32:
      return "INVALID_TIMESTAMP";
    case 35:
      return "UNSUPPORTED_VERSION";
    case 36:
      return "TOPIC_ALREADY_EXISTS";
    case 37:
      return "INVALID_PARTITIONS";
    case 38:
      return "INVALID_REPLICATION_FACTOR";
    case 40:
      return "INVALID_CONFIG";
    case 41:
      return "NOT_CONTROLLER";
    case 42:
      return "INVALID_REQUEST";
    case 45:
      return "OUT_OF_ORDER_SEQUENCE_NUMBER";
    case 47:
      return "INVALID_PRODUCER_EPOCH";
    case 48:
      return "INVALID_TXN_STATE";
    case 49:
      return "INVALID_PRODUCER_ID_MAPPING";
    case 51:
      return "CONCURRENT_TRANSACTIONS";
    case 56:
      return "KAFKA_STORAGE_ERROR";
    case 87:
      return "INVALID_RECORD";
    case 90:
      return "PRODUCER_FENCED";
    case 120:
      return "TRANSACTION_ABORTABLE";
    default:
      return "error " + std::to_string(code);
  }
}

Writer BeginProduce(const ProduceLayout& layout, size_t partition_count) {
  Writer writer = BeginRequest();
  writer.NullString().Int16(layout.acks).Int32(layout.timeout_ms);  // no transactional id
  writer.Int32(1).String(layout.topic).Int32(static_cast<int32_t>(partition_count));
  return writer;
}

void AppendPartitionHead(Writer& writer, int32_t partition, size_t records_bytes) {
  writer.Int32(partition).Int32(static_cast<int32_t>(records_bytes));
}

bool ReadProduceResponse(Bytes body, ErrorCounts& errors, size_t& failed_partitions) {
  Reader reader(body);
  failed_partitions = 0;
  for (size_t topics = reader.Count(6); topics > 0; --topics) {
    reader.String();
    for (size_t partitions = reader.Count(30); partitions > 0; --partitions) {
      reader.Int32();
      int16_t error = reader.Int16();
      reader.Skip(24);  // base offset, log append time, log start offset
      if (error == 0) continue;
      ++errors[error];
      ++failed_partitions;
    }
  }
  reader.Int32();  // throttle time
  return reader.ok() && reader.remaining() == 0;
}

std::string FetchRest(std::string_view topic, const FetchLimits& limits,
                      std::span<const FetchPosition> positions) {
  Writer writer = BeginRequest();
  writer.Int32(-1).Int32(limits.max_wait_ms).Int32(limits.min_bytes).Int32(limits.max_bytes);
  writer.Int8(0).Int32(0).Int32(-1);  // read uncommitted; no fetch session
  writer.Int32(1).String(topic).Int32(static_cast<int32_t>(positions.size()));
  for (const FetchPosition& position : positions) {
    writer.Int32(position.partition)
        .Int32(-1)
        .Int64(position.offset)
        .Int64(-1)
        .Int32(limits.partition_max_bytes);
  }
  writer.Int32(0).String("");  // no forgotten topics, no rack
  return writer.Take();
}

}  // namespace millrace::loadgen
