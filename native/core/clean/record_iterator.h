#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// One record within its batch's records, uncompressed:
//
//   length varint | attributes int8 | timestamp delta varlong | offset delta varint
//   | key length varint, key | value length varint, value | headers
//
// Borrowed from the bytes that were walked over.
struct RecordView {
  std::span<const std::byte> whole;         // with its length
  std::span<const std::byte> after_time;    // from the offset delta on
  std::span<const std::byte> after_offset;  // from the key's length on
  std::span<const std::byte> key;           // empty without one
  std::span<const std::byte> value;         // likewise
  std::byte attributes{0};
  int64_t timestamp_delta = 0;
  int32_t offset_delta = 0;
  bool has_key = false;
  bool has_value = false;
};

// Walks over `count` records, which must fill `records` exactly; headers are taken as they are.
class RecordIterator {
 public:
  RecordIterator(std::span<const std::byte> records, int32_t count)
      : rest_(records), left_(count) {}

  // False at the end of the bytes or of the count, and at bytes that are no record: then the walk
  // was not sound.
  bool Next(RecordView* record);
  bool sound() const { return sound_ && left_ == 0 && rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  int32_t left_;
  bool sound_ = true;
};

// Appends the record with another timestamp delta.
void AppendWithDelta(const RecordView& record, int64_t timestamp_delta, std::vector<std::byte>* to);
// The same with another offset delta, too.
void AppendMoved(const RecordView& record, int64_t timestamp_delta, int32_t offset_delta,
                 std::vector<std::byte>* to);

}  // namespace millrace
