#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "core/log/batch.h"

namespace millrace {

// One record as its writer has it. Absent key or value: null.
struct RecordParts {
  std::optional<std::span<const std::byte>> key;
  std::optional<std::span<const std::byte>> value;
  // Their number as a varint and then the headers, encoded; empty: there are none.
  std::span<const std::byte> headers;
};

inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}

inline size_t VarintBytes(uint64_t zigzag) {
  return zigzag < 0x80 ? 1 : (static_cast<size_t>(64 - __builtin_clzll(zigzag)) + 6) / 7;
}

inline std::byte* PutVarint(std::byte* to, uint64_t zigzag) {
  while (zigzag >= 0x80) {
    *to++ = static_cast<std::byte>(zigzag | 0x80);
    zigzag >>= 7;
  }
  *to++ = static_cast<std::byte>(zigzag);
  return to;
}

// A record of a batch v2, and how long it is:
//
//   length varint | attributes int8 | timestamp delta varlong | offset delta varint
//   | key length varint, key | value length varint, value | header count varint, headers
class RecordShape {
 public:
  RecordShape(const RecordParts& parts, int64_t timestamp_delta, uint32_t offset_delta)
      : timestamp_delta_(ZigZag(timestamp_delta)), offset_delta_(ZigZag(offset_delta)) {
    body_bytes_ = 1 + VarintBytes(timestamp_delta_) + VarintBytes(offset_delta_) +
                  FieldBytes(parts.key) + FieldBytes(parts.value) +
                  (parts.headers.empty() ? 1 : parts.headers.size());
  }

  size_t size() const {
    return VarintBytes(ZigZag(static_cast<int64_t>(body_bytes_))) + body_bytes_;
  }

  // Writes size() bytes and returns their end.
  std::byte* Write(const RecordParts& parts, std::byte* to) const {
    to = PutVarint(to, ZigZag(static_cast<int64_t>(body_bytes_)));
    *to++ = std::byte{0};
    to = PutVarint(to, timestamp_delta_);
    to = PutVarint(to, offset_delta_);
    to = PutField(to, parts.key);
    to = PutField(to, parts.value);
    if (parts.headers.empty()) {
      *to++ = std::byte{0};
      return to;
    }
    std::memcpy(to, parts.headers.data(), parts.headers.size());
    return to + parts.headers.size();
  }

 private:
  using Field = std::optional<std::span<const std::byte>>;

  static size_t FieldBytes(const Field& field) {
    if (!field.has_value()) return 1;
    return VarintBytes(ZigZag(static_cast<int64_t>(field->size()))) + field->size();
  }
  static std::byte* PutField(std::byte* to, const Field& field) {
    if (!field.has_value()) return PutVarint(to, ZigZag(-1));
    to = PutVarint(to, ZigZag(static_cast<int64_t>(field->size())));
    if (!field->empty()) std::memcpy(to, field->data(), field->size());
    return to + field->size();
  }

  uint64_t timestamp_delta_;
  uint64_t offset_delta_;
  size_t body_bytes_;
};

// Makes `batch`, whose records are in place, a whole batch: writes its header, checksum included,
// and returns what it says.
BatchHeader WriteBatchHeader(std::span<std::byte> batch, Offset base_offset, int64_t base_timestamp,
                             int64_t max_timestamp, uint32_t record_count);

}  // namespace millrace
