#pragma once

#include <optional>

#include "core/log/batch.h"
#include "core/log/index_file.h"

namespace millrace {

// The largest timestamp so far and the last offset of the batch that brought it.
struct TimestampOffset {
  int64_t timestamp = -1;
  Offset offset = -1;
};

// How the largest timestamp of the segment grew (Kafka's .timeindex, big-endian):
//
//   0  timestamp int64 | 8  last offset of the batch that has it, minus the segment's base offset
//   int32
//
// An entry is added together with one of the offset index, when the largest timestamp has grown
// since the last entry, and when the segment is rolled or closed. So both columns grow strictly;
// batches before the entry's have only smaller timestamps; and any batch with a larger one than the
// last entry's comes after it. Decision thread.
class TimeIndex {
 public:
  static constexpr size_t kEntryBytes = 12;

  TimeIndex(OpenFiles& cache, Disk& disk, std::string path, Offset base_offset)
      : file_(cache, disk, std::move(path), kEntryBytes), base_offset_(base_offset) {}

  // For reading on another thread what `other` holds now.
  static TimeIndex ReaderOf(const TimeIndex& other) {
    return TimeIndex(IndexFile::ReaderOf(other.file_), other.base_offset_);
  }

  IndexFile& file() { return file_; }

  Result<std::optional<TimestampOffset>> Last() const;
  // The last entry with a timestamp <= `timestamp`, and the last with an offset < `offset`.
  Result<std::optional<TimestampOffset>> Floor(int64_t timestamp);
  Result<std::optional<TimestampOffset>> Below(Offset offset);
  void Append(const TimestampOffset& entry);  // within what was reserved
  // Drops the entries with an offset >= `offset`, and syncs.
  Status CutTo(Offset offset);

  static void Encode(const TimestampOffset& entry, Offset base_offset, std::byte* to);

 private:
  TimeIndex(IndexFile file, Offset base_offset)
      : file_(std::move(file)), base_offset_(base_offset) {}
  Result<std::optional<TimestampOffset>> EntryBefore(const Result<size_t>& count) const;

  IndexFile file_;
  const Offset base_offset_;
};

}  // namespace millrace
