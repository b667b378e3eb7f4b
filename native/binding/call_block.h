#pragma once

#include <cstddef>
#include <cstdint>

#include "binding/shared_array.h"

namespace millrace {

// Slots of the Float64Array through which hot calls pass numbers both ways: a store into it costs
// JavaScript about a nanosecond, an argument three to five. src/native/addon.ts holds the same
// table.
enum CallSlot : size_t {
  kLog = 0,
  // Arguments of a call, from here.
  kArgument = 1,
  // append, validate
  kBaseOffset = 16,
  kLastOffset = 17,
  kMaxTimestamp = 18,
  kFirstBadRecord = 19,
  kRolled = 20,
  // read
  kRegion = 21,
  kRegionLength = 22,
  kRegionEnd = 23,
  // readHeaders
  kHeaderCount = 26,
  // logState
  kLogStart = 27,
  kLogEnd = 28,
  kDurable = 29,
  kSizeBytes = 30,
  kActiveBase = 31,
  // listen
  kListener = 32,
  kPort = 33,
  // every call that answers with a status: errno, or 0
  kSystemError = 34,
  // append, validate, check: how many record faults lie in the array of headers
  kFaultCount = 36,
  // append: it may not be written before the next gatherAppends
  kGathered = 37,
  kCallSlots = 40,
};

// Reads arguments that JavaScript left in the block. A number that is no integer of the wanted
// range (NaN included) makes `ok` false; the value is then 0.
class BlockReader {
 public:
  explicit BlockReader(const SharedArray& block) : block_(block) {}

  template <typename T>
  T Integer(size_t slot, T min, T max) {
    const double value = block_.numbers()[slot];
    if (value >= static_cast<double>(min) && value <= static_cast<double>(max))
      return static_cast<T>(value);
    ok_ = false;
    return T{};
  }
  uint32_t Uint32(size_t slot) { return Integer<uint32_t>(slot, 0, UINT32_MAX); }
  int32_t Int32(size_t slot) { return Integer<int32_t>(slot, INT32_MIN, INT32_MAX); }
  // An offset, a time or a size: exact in a double.
  int64_t Int53(size_t slot) { return Integer<int64_t>(slot, -kMaxExact, kMaxExact); }
  // A limit that Kafka expresses as Long.MAX_VALUE when there is none.
  int64_t Saturated(size_t slot) {
    const double value = block_.numbers()[slot];
    return value > static_cast<double>(kNoLimit) ? INT64_MAX
                                                 : Integer<int64_t>(slot, -kMaxExact, kNoLimit);
  }
  bool Flag(size_t slot) const { return block_.numbers()[slot] != 0; }
  bool ok() const { return ok_; }

 private:
  static constexpr int64_t kMaxExact = (int64_t{1} << 53) - 1;
  static constexpr int64_t kNoLimit = int64_t{1} << 62;

  const SharedArray& block_;
  bool ok_ = true;
};

}  // namespace millrace
