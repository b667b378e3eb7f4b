#include "histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::loadgen {
namespace {

constexpr int kSubBits = 10;
constexpr uint64_t kSub = uint64_t{1} << kSubBits;
// Values above about 73 minutes share the last bucket; no run lasts that long.
constexpr int kValueBits = 42;
constexpr size_t kBuckets = static_cast<size_t>(kValueBits - kSubBits + 1) << kSubBits;

// Below 2 * kSub each value has its own bucket; above, the top kSubBits + 1 bits of the value name
// it.
size_t BucketOf(uint64_t value) {
  int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kSubBits + 1));
  return (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(value >> shift);
}

// The largest value that falls into `bucket`.
uint64_t UpperEdge(size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  size_t shift = (bucket >> kSubBits) - 1;
  uint64_t top = kSub + (bucket & (kSub - 1));
  return ((top + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : counts_(kBuckets) {}

void Histogram::Record(int64_t nanoseconds) {
  int64_t value = std::max<int64_t>(0, nanoseconds);
  ++counts_[std::min(BucketOf(static_cast<uint64_t>(value)), kBuckets - 1)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

int64_t Histogram::Percentile(double percentile) const {
  if (count_ == 0) return 0;
  double rank = std::ceil(percentile / 100 * static_cast<double>(count_));
  int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(rank), 1, count_);
  int64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return std::min(max_, static_cast<int64_t>(UpperEdge(bucket)));
  }
  return max_;
}

}  // namespace millrace::loadgen
