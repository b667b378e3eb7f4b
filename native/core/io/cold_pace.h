#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace millrace {

// When a thread that reads cold data leaves the disk and the processors to others: after so many
// slices, for a part of their time, if anybody else was served meanwhile. Whoever gets what such a
// thread sends asks for more, once for each job that ended: that is nobody else. One thread.
class ColdPace {
 public:
  using Duration = std::chrono::steady_clock::duration;
  static constexpr int kSlices = 8;
  static constexpr int kPart = 3;
  static constexpr Duration kMost =
      std::chrono::milliseconds(5);  // a disk that stalls is no reason

  // A slice took `busy`, and `ended` its job; `traffic` counts the turns in which anybody was
  // served. How long to rest now.
  Duration AfterSlice(Duration busy, bool ended, uint64_t traffic) {
    busy_ += busy;
    ended_ += ended ? 1 : 0;
    if (++slices_ < kSlices) return {};
    others_ = std::max<int64_t>(others_ + static_cast<int64_t>(traffic - seen_) - ended_, -kSlices);
    const Duration rest = others_ > 0 ? std::min(busy_ / kPart, kMost) : Duration{};
    if (others_ > 0) others_ = 0;
    seen_ = traffic;
    slices_ = 0;
    ended_ = 0;
    busy_ = {};
    return rest;
  }

 private:
  uint64_t seen_ = 0;   // of the traffic
  int64_t others_ = 0;  // turns that were not for what this thread sends; below 0: those to come
  int64_t ended_ = 0;
  int slices_ = 0;
  Duration busy_{};
};

}  // namespace millrace
