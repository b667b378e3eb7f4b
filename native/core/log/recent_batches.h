#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/log/batch.h"

namespace millrace {

// Where a batch lies and what its header says.
struct BatchPlace {
  uint64_t position;
  uint64_t size_bytes;
  Offset base_offset;
  Offset last_offset;
  int64_t max_timestamp;
};

// The latest batches of a segment that is being written: whoever keeps up with its end is answered
// from here, without a look at the file. One thread.
class RecentBatches {
 public:
  void Push(const BatchPlace& batch) {
    if (batches_.size() < kKept) {
      batches_.push_back(batch);
      return;
    }
    batches_[first_] = batch;
    first_ = (first_ + 1) % kKept;
  }
  void Clear() {
    std::vector<BatchPlace>().swap(batches_);
    first_ = 0;
  }

  // The first batch with a last offset >= `offset`. Nothing when that is not for this to say.
  std::optional<BatchPlace> Find(Offset offset) const {
    if (batches_.empty() || offset < At(0).base_offset) return std::nullopt;
    return First([&](const BatchPlace& batch) { return batch.last_offset >= offset; });
  }
  // The first batch with a base offset >= `limit`.
  std::optional<BatchPlace> FindBoundary(Offset limit) const {
    if (batches_.empty() || limit < At(0).base_offset) return std::nullopt;
    return First([&](const BatchPlace& batch) { return batch.base_offset >= limit; });
  }
  // The last batch that begins at or below `position`.
  std::optional<BatchPlace> FindBelow(uint64_t position) const {
    if (batches_.empty() || position < At(0).position) return std::nullopt;
    const size_t after =
        IndexOfFirst([&](const BatchPlace& batch) { return batch.position > position; });
    return At(after - 1);
  }

 private:
  static constexpr size_t kKept = 64;

  const BatchPlace& At(size_t index) const { return batches_[(first_ + index) % batches_.size()]; }

  template <typename Predicate>
  size_t IndexOfFirst(Predicate holds) const {
    size_t low = 0;
    size_t high = batches_.size();
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (holds(At(middle))) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
  template <typename Predicate>
  std::optional<BatchPlace> First(Predicate holds) const {
    const size_t index = IndexOfFirst(holds);
    if (index == batches_.size()) return std::nullopt;
    return At(index);
  }

  std::vector<BatchPlace> batches_;  // a ring once it is full, oldest at first_
  size_t first_ = 0;
};

}  // namespace millrace
