#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "histogram.h"

namespace millrace::loadgen {

// Latencies by when they were due, in equal slices of the window: whether a percentile grows while
// a load goes on shows here, and is lost in the whole.
class Slices {
 public:
  // The last slice takes what the window has left over; a width of 0 keeps none.
  Slices(double window_seconds, double width_seconds)
      : width_ns_(static_cast<int64_t>(width_seconds * 1e9)),
        slices_(width_ns_ == 0
                    ? 0
                    : std::max<size_t>(1, static_cast<size_t>(window_seconds / width_seconds))) {}

  void Record(int64_t since_open_ns, int64_t latency_ns) {
    if (slices_.empty()) return;
    auto index = static_cast<size_t>(std::max<int64_t>(0, since_open_ns) / width_ns_);
    slices_[std::min(index, slices_.size() - 1)].Record(latency_ns);
  }
  std::span<const Histogram> all() const { return slices_; }

 private:
  int64_t width_ns_;
  std::vector<Histogram> slices_;
};

}  // namespace millrace::loadgen
