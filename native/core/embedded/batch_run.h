#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/log/batch.h"
#include "core/log/log.h"

namespace millrace {

// Whole batches of values, one behind the other, that go to the log by one write. They are put
// together in memory that stays in the processor's cache: storing as much into a mapped segment
// costs more, since each page that is new to the mapping is a fault.
//
// Thread: the log's writer's.
class BatchRun {
 public:
  // Makes a run of the first of the values that `lengths` tells apart in `bytes`, as many as fit,
  // and returns how many: at least one. A batch is closed before it gets larger than `seal_bytes`,
  // unless its first record alone is, and the run before it gets larger than `most_bytes`, unless
  // its first batch alone is. The lengths add up to no more than there are bytes.
  size_t Fill(std::span<const std::byte> bytes, std::span<const uint32_t> lengths,
              Offset base_offset, int64_t timestamp, size_t seal_bytes, size_t most_bytes);

  std::span<const std::byte> bytes() const { return std::span(memory_).first(size_); }
  std::span<const BatchHeader> headers() const { return std::span(headers_).first(batches_); }

 private:
  std::vector<std::byte> memory_;  // kept for the next run
  size_t size_ = 0;                // of the run in it
  std::array<BatchHeader, kMostBatchesAtOnce> headers_;
  size_t batches_ = 0;
};

}  // namespace millrace
