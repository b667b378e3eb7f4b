#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace {

// Reads zigzag varints; fails at the end of its bytes, and on varints that do not fit their type.
class VarintCursor {
 public:
  VarintCursor(const std::byte* at, const std::byte* end)
      : at_(reinterpret_cast<const uint8_t*>(at)), end_(reinterpret_cast<const uint8_t*>(end)) {}

  const std::byte* at() const { return reinterpret_cast<const std::byte*>(at_); }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  bool Skip(size_t bytes) {
    if (remaining() < bytes) return false;
    at_ += bytes;
    return true;
  }

  // A cursor over the next `bytes`, which this one steps over; they must be there.
  VarintCursor Split(size_t bytes) {
    VarintCursor part(at_, at_ + bytes);
    at_ += bytes;
    return part;
  }

  bool ReadVarint(int32_t* value) {
    uint64_t raw;
    if (!ReadRaw(5, &raw) || raw > UINT32_MAX) return false;
    *value = static_cast<int32_t>((raw >> 1) ^ (0 - (raw & 1)));
    return true;
  }

  bool ReadVarlong(int64_t* value) {
    uint64_t raw;
    if (!ReadRaw(10, &raw)) return false;
    *value = static_cast<int64_t>((raw >> 1) ^ (0 - (raw & 1)));
    return true;
  }

 private:
  VarintCursor(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}

  // Records of some hundred bytes have lengths of two bytes.
  bool ReadRaw(size_t longest, uint64_t* value) {
    if (at_ < end_ && at_[0] < 0x80) [[likely]] {
      *value = *at_++;
      return true;
    }
    if (remaining() >= 2 && at_[1] < 0x80) [[likely]] {
      *value = uint64_t{at_[0]} - 0x80 + (uint64_t{at_[1]} << 7);
      at_ += 2;
      return true;
    }
    return ReadLong(longest, value);
  }

  [[gnu::noinline]] bool ReadLong(size_t longest, uint64_t* value) {
    size_t limit = std::min(longest, remaining());
    uint64_t result = 0;
    for (size_t i = 0; i < limit; ++i) {
      uint64_t bits = at_[i];
      if (i == 9 && bits > 1) return false;  // only one bit is left in 64
      result |= (bits & 0x7f) << (7 * i);
      if (bits < 0x80) {
        at_ += i + 1;
        *value = result;
        return true;
      }
    }
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace millrace
