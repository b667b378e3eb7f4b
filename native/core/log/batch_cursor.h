#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/base/disk.h"
#include "core/log/batch.h"
#include "core/log/read_mode.h"

namespace millrace {

// Walks from batch to batch in [position, end) of a segment, which must lie within the file. Reads
// little more than the headers; batches that overlap in the reading window cost one read together.
// After kWouldBlock the cursor is where it was.
class BatchCursor {
 public:
  enum class Step {
    kBatch,   // header() and position() describe a batch that is whole within the end
    kEnd,     // the last batch ended exactly there
    kBroken,  // what begins at next_position() is no whole batch
  };

  BatchCursor(std::shared_ptr<File> file, ReadMode mode, uint64_t position, uint64_t end)
      : file_(std::move(file)), mode_(mode), position_(position), next_(position), end_(end) {}

  Result<Step> Next();
  // The header of the batch that Next() would come to, if there is a plausible one.
  Result<bool> Peek(BatchHeader* header);
  // For a walk that looks at many bytes, on a thread that may wait: what follows is read from a
  // mapping of the file, without a copy, if there is enough of it and it can be mapped.
  void MapAhead();
  // A page of the mapping could not be had, and reads as zeros: whatever was last returned, and
  // what was concluded from it, may be wrong.
  bool damaged() const { return mapping_ != nullptr && mapping_->damaged(); }
  void Rewind() { next_ = position_; }  // the current batch comes again

  const BatchHeader& header() const { return header_; }
  uint64_t position() const { return position_; }
  uint64_t next_position() const { return next_; }
  // The whole current batch; valid until the next call.
  Result<std::span<const std::byte>> Batch();

 private:
  static constexpr size_t kSmallWindow = 4096;
  static constexpr size_t kLargeWindow = 65536;
  static constexpr uint64_t kMapFromBytes = 256 << 10;  // below it, mapping costs more than copying

  // `length` bytes at `position`, fewer only at the file's end.
  Result<std::span<const std::byte>> Load(uint64_t position, size_t length, size_t window);

  std::shared_ptr<File> file_;
  ReadMode mode_;
  uint64_t position_;
  uint64_t next_;
  uint64_t end_;
  BatchHeader header_{};
  size_t window_ = kSmallWindow;
  std::vector<std::byte> buffer_;  // [buffer_at_, +size) of the file
  uint64_t buffer_at_ = 0;
  std::shared_ptr<Mapping> mapping_;  // of [0, end_); null: everything is read
};

}  // namespace millrace
