#pragma once

#include <cstdint>
#include <vector>

namespace millrace::loadgen {

// Counts of durations in log-linear buckets, as HdrHistogram has them: each power of two is split
// into 1,024 equal buckets, so a value is known to better than 0.1 % and any percentile can be read
// exactly to that. Nanoseconds.
class Histogram {
 public:
  Histogram();

  void Record(int64_t nanoseconds);

  int64_t count() const { return count_; }
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The value that `percentile` percent of the recorded ones do not exceed: the upper edge of the
  // bucket it falls in, never more than max(). 0 when nothing was recorded.
  int64_t Percentile(double percentile) const;

 private:
  std::vector<int64_t> counts_;
  int64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace millrace::loadgen
