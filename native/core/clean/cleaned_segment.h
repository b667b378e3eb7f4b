#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/disk.h"
#include "core/clean/io_budget.h"
#include "core/clean/transactions.h"
#include "core/log/segment_names.h"
#include "core/log/segment_scan.h"

namespace millrace {

// Writes a segment that is to replace others, with its indexes, under names that nobody reads
// (`.cleaned`). What was written goes to the disk in steps: a sync of somebody else never waits
// behind all of it. Unless it is finished, it removes what it wrote. One thread.
class CleanedSegment {
 public:
  CleanedSegment(Disk& disk, std::string directory, Offset base_offset,
                 uint32_t index_interval_bytes, IoBudget& budget)
      : disk_(disk),
        directory_(std::move(directory)),
        base_offset_(base_offset),
        budget_(budget),
        image_(base_offset, index_interval_bytes) {}
  ~CleanedSegment();
  CleanedSegment(const CleanedSegment&) = delete;
  CleanedSegment& operator=(const CleanedSegment&) = delete;

  Status Begin();
  // Batches come in order; all lie within 2^31 offsets and bytes of the beginning, else
  // kOffsetOutOfRange.
  Status Add(std::span<const std::byte> batch, const BatchHeader& header);
  // Afterwards all is durable, the names included. Without `aborted` there is no transaction index.
  // `keep_cached`: somebody is likely to read it soon.
  Status Finish(int64_t modified_ms, const std::optional<std::vector<AbortedTransaction>>& aborted,
                bool keep_cached);

  uint64_t length() const { return length_ + buffer_.size(); }

 private:
  std::string PathOf(FileKind kind) const;
  Status Write(std::span<const std::byte> bytes);
  Status WriteSmall(FileKind kind, std::span<const std::byte> bytes);
  void Remove();

  Disk& disk_;
  const std::string directory_;
  const Offset base_offset_;
  IoBudget& budget_;
  IndexImage image_;
  std::shared_ptr<File> log_;
  std::vector<std::byte> buffer_;  // behind length_
  uint64_t length_ = 0;            // written
  uint64_t synced_ = 0;
  bool begun_ = false;
  bool finished_ = false;
};

}  // namespace millrace
