#pragma once

#include <optional>

#include "core/log/batch.h"
#include "core/log/index_file.h"

namespace millrace {

struct OffsetEntry {
  Offset last_offset;
  uint32_t position;
};

// Which batch lies where, for one batch in every index.interval.bytes (Kafka's .index, big-endian):
//
//   0  last offset of the batch, minus the segment's base offset int32 | 4  position of the batch
//   in the .log int32
//
// Both columns grow strictly, and no entry names position 0. Entries are claims: whoever follows
// one checks that the batch at the position has that last offset. Decision thread.
class OffsetIndex {
 public:
  static constexpr size_t kEntryBytes = 8;

  OffsetIndex(OpenFiles& cache, Disk& disk, std::string path, Offset base_offset)
      : file_(cache, disk, std::move(path), kEntryBytes), base_offset_(base_offset) {}

  // For reading on another thread what `other` holds now.
  static OffsetIndex ReaderOf(const OffsetIndex& other) {
    return OffsetIndex(IndexFile::ReaderOf(other.file_), other.base_offset_);
  }

  IndexFile& file() { return file_; }

  Result<OffsetEntry> At(size_t index, ReadMode mode = ReadMode::kWait) const;
  Result<std::optional<OffsetEntry>> Last() const;
  // The last entry with a last offset <= `offset`, and the last with a position <= `position`.
  Result<std::optional<OffsetEntry>> Floor(Offset offset, ReadMode mode = ReadMode::kWait);
  Result<std::optional<OffsetEntry>> FloorOfPosition(uint64_t position,
                                                     ReadMode mode = ReadMode::kWait);
  void Append(const OffsetEntry& entry);  // within what was reserved
  // Drops the entries with a last offset >= `offset`, and syncs.
  Status CutTo(Offset offset);

  static void Encode(const OffsetEntry& entry, Offset base_offset, std::byte* to);

 private:
  OffsetIndex(IndexFile file, Offset base_offset)
      : file_(std::move(file)), base_offset_(base_offset) {}
  Result<std::optional<OffsetEntry>> EntryBefore(const Result<size_t>& count,
                                                 ReadMode mode = ReadMode::kWait) const;

  IndexFile file_;
  const Offset base_offset_;
};

}  // namespace millrace
