#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "wire.h"

namespace millrace::loadgen {

// The requests that the generator sends, in versions that are old enough for every broker and that
// carry names, not topic ids: each is the last one before the API's flexible versions, or the last
// of an unchanged layout before it.
enum class Api : int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kFindCoordinator = 10,
  kApiVersions = 18,
  kCreateTopics = 19,
  kDeleteTopics = 20,
  kInitProducerId = 22,
  kAddPartitionsToTxn = 24,
  kEndTxn = 26,
};
inline constexpr int16_t VersionOf(Api api) {
  switch (api) {
    case Api::kProduce:
      return 7;
    case Api::kFetch:
      return 11;
    case Api::kListOffsets:
      return 4;
    case Api::kMetadata:
      return 5;
    case Api::kFindCoordinator:
      return 1;
    case Api::kApiVersions:
      return 0;
    case Api::kCreateTopics:
      return 4;
    case Api::kDeleteTopics:
      return 1;
    case Api::kInitProducerId:
      return 1;
    case Api::kAddPartitionsToTxn:
    case Api::kEndTxn:
      return 2;
  }
  return 0;
}

// A frame begins with its size and, in a request, API key, version and correlation id.
inline constexpr size_t kSizeBytes = 4;
inline constexpr size_t kRequestHeadBytes = 12;
inline constexpr size_t kResponseHeadBytes = 8;

// The fixed start of a request frame whose remaining bytes (client id and body) number
// `rest_bytes`.
void StoreRequestHead(char* to, Api api, int16_t version, int32_t correlation_id,
                      size_t rest_bytes);
inline void StoreRequestHead(char* to, Api api, int32_t correlation_id, size_t rest_bytes) {
  StoreRequestHead(to, api, VersionOf(api), correlation_id, rest_bytes);
}

// What follows the head of every request, and of one in a flexible version.
Writer BeginRequest();
Writer BeginFlexibleRequest();

// Kafka's error codes, counted. The codes that a benchmark is likely to meet have their names.
using ErrorCounts = std::map<int16_t, int64_t>;
std::string ErrorName(int16_t code);

// A produce request after its head is BeginProduce(), then for each partition AppendPartitionHead()
// and its records.
struct ProduceLayout {
  std::string topic;
  int16_t acks = -1;
  int32_t timeout_ms = 30'000;
};
Writer BeginProduce(const ProduceLayout& layout, size_t partition_count);
void AppendPartitionHead(Writer& writer, int32_t partition, size_t records_bytes);

// Counts the error codes of a produce response into `errors`, and how many partitions carried one
// into `failed_partitions`. False when the response is malformed.
bool ReadProduceResponse(Bytes body, ErrorCounts& errors, size_t& failed_partitions);

struct FetchPosition {
  int32_t partition = 0;
  int64_t offset = 0;
};
struct FetchLimits {
  int32_t max_wait_ms = 500;
  int32_t min_bytes = 1;
  int32_t max_bytes = 0;
  int32_t partition_max_bytes = 0;
};
std::string FetchRest(std::string_view topic, const FetchLimits& limits,
                      std::span<const FetchPosition> positions);

}  // namespace millrace::loadgen
