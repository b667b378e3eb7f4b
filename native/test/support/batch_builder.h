#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

using Bytes = std::vector<std::byte>;

struct RecordSpec {
  std::optional<std::string> key = std::nullopt;
  std::optional<std::string> value = std::nullopt;
  int64_t timestamp_delta = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
};

// Builds record batches byte by byte, independently of the code under test, and wrong ones on
// request: every field can be overridden, and raw bytes can stand for records. The checksum is
// right unless the bytes are changed afterwards.
class BatchBuilder {
 public:
  BatchBuilder& Add(RecordSpec record);
  // `count` records of `value_bytes` each, with keys "key-0"...
  BatchBuilder& AddMany(int count, size_t value_bytes);
  // Bytes in place of one record, with its length in front when `with_length`.
  BatchBuilder& AddRaw(Bytes body, bool with_length = true);

  int64_t base_offset = 0;
  int32_t leader_epoch = -1;
  int8_t magic = 2;
  int16_t attributes = 0;
  int64_t base_timestamp = 1'000'000;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  std::optional<int64_t> max_timestamp;       // default: the records' true one
  std::optional<int32_t> last_offset_delta;   // default: count - 1
  std::optional<int32_t> record_count;        // default: as added
  std::optional<int32_t> first_offset_delta;  // default: 0

  Bytes Build() const;

  static void PutVarint(Bytes* to, int64_t value);  // zigzag
  static void PutBytes(Bytes* to, const std::string& bytes);
  // A record's bytes behind its length.
  static Bytes RecordBody(const RecordSpec& record, int32_t offset_delta);

 private:
  struct Item {
    std::optional<RecordSpec> record;
    Bytes raw;
    bool with_length = true;
  };
  std::vector<Item> items_;
};

// Sets the checksum of a whole batch to what its bytes ask for.
void FixChecksum(Bytes* batch);

template <typename T>
void PutBigEndianAt(Bytes* bytes, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    (*bytes)[at + i] =
        static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace millrace::test
