#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/log/batch.h"

namespace millrace {

struct GatheredBatch {
  std::span<const std::byte> bytes;  // its appender's, who keeps them until it is written
  BatchHeader header;
};

// Batches that a log has checked, stamped and given offsets, and that go behind its written end by
// one write: that takes one system call, and the page cache gives it few large folios where writes
// of 16 KB get many of one or two pages each. Decision thread.
class GatheredBatches {
 public:
  // Index entries for so many are kept in memory (IndexFile).
  static constexpr size_t kMost = 24;
  static constexpr uint64_t kMostBytes = 512 << 10;
  // A larger one gains nothing by waiting.
  static constexpr uint64_t kLargest = 64 << 10;

  bool empty() const { return batches_.empty(); }
  size_t count() const { return batches_.size(); }
  uint64_t bytes() const { return bytes_; }
  Offset end_offset() const { return batches_.back().header.last_offset + 1; }  // of some
  std::span<const GatheredBatch> batches() const { return batches_; }

  bool Full(uint64_t size) const { return count() == kMost || bytes_ + size > kMostBytes; }
  void Add(std::span<const std::byte> batch, const BatchHeader& header) {
    batches_.push_back({batch, header});
    bytes_ += batch.size();
  }
  void Clear() {
    batches_.clear();
    bytes_ = 0;
  }

 private:
  std::vector<GatheredBatch> batches_;
  uint64_t bytes_ = 0;
};

}  // namespace millrace
