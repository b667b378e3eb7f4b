#pragma once

#include <cstdint>
#include <string>

namespace millrace::loadgen {

// Where the fields of a record batch (magic 2) lie. Everything from kAttributes to the batch's end
// is under the CRC.
//
//    0 base offset i64 | 8 batch length i32 (counted from byte 12) | 12 leader epoch i32 | 16 magic
//    i8 | 17 crc u32
//   21 attributes i16 | 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 |
//   43 producer id i64 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61
//   records
namespace batch {
inline constexpr size_t kBaseOffset = 0;
inline constexpr size_t kLength = 8;
inline constexpr size_t kLengthCountsFrom = 12;
inline constexpr size_t kMagic = 16;
inline constexpr size_t kCrc = 17;
inline constexpr size_t kAttributes = 21;
inline constexpr size_t kLastOffsetDelta = 23;
inline constexpr size_t kProducerId = 43;
inline constexpr size_t kProducerEpoch = 51;
inline constexpr size_t kBaseSequence = 53;
inline constexpr size_t kRecordCount = 57;
inline constexpr size_t kHeaderBytes = 61;
// What a stamped batch ends with: the last 8 bytes of its last value, which then are a time of
// NowNs(), and the count of that record's headers, 0.
inline constexpr size_t kStampBytes = 9;
inline constexpr int16_t kTransactional = 1 << 4;
}  // namespace batch

struct RecordBatch {
  std::string bytes;
  int32_t records = 0;
};

// An uncompressed batch of records without key, headers and producer id, whose values have
// `value_bytes` each: as many as fit into `batch_bytes`, no more than `most_records` and at least
// one. The same arguments give the same bytes.
RecordBatch BuildRecordBatch(size_t batch_bytes, size_t value_bytes, int64_t timestamp_ms,
                             int32_t most_records = INT32_MAX);

// Makes `batch` one of a producer's transaction.
struct BatchProducer {
  int64_t id = -1;
  int16_t epoch = -1;
  int32_t base_sequence = -1;
};
void MakeTransactional(std::string& batch, const BatchProducer& producer);

}  // namespace millrace::loadgen
