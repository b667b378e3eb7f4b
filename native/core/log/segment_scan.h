#pragma once

#include <cstdint>
#include <vector>

#include "core/log/batch_cursor.h"
#include "core/log/time_index.h"

namespace millrace {

// How far the indexes of a segment have got, and with it when the next entries are due.
struct IndexProgress {
  uint64_t indexed_position =
      0;  // of the batch in the last entry of the offset index, 0 without one
  int64_t indexed_timestamp = -1;  // of the last entry of the time index
  TimestampOffset max;             // over all batches of the segment

  // Kafka's rule: more than index.interval.bytes lie between the batch in the last entry and this
  // one.
  bool EntryDue(uint64_t position, uint32_t index_interval_bytes) const {
    return position - indexed_position > index_interval_bytes;
  }
  void Note(const BatchHeader& header) {
    // A batch without records, which compaction leaves, has a timestamp that no record has.
    if (header.record_count > 0 && header.max_timestamp > max.timestamp)
      max = {header.max_timestamp, header.last_offset};
  }
};

// Both indexes of a segment in memory, made from its batches by the rule that appending follows.
class IndexImage {
 public:
  IndexImage(Offset base_offset, uint32_t index_interval_bytes)
      : base_offset_(base_offset), index_interval_bytes_(index_interval_bytes) {}
  void Add(const BatchHeader& header, uint64_t position);
  void Finish();  // the time index's last entry, as on roll and close

  const IndexProgress& progress() const { return progress_; }
  const std::vector<std::byte>& offset_entries() const { return offset_entries_; }
  const std::vector<std::byte>& time_entries() const { return time_entries_; }

 private:
  void AddTime();

  Offset base_offset_;
  uint32_t index_interval_bytes_;
  IndexProgress progress_;
  std::vector<std::byte> offset_entries_;
  std::vector<std::byte> time_entries_;
};

// What a walk over batches found.
struct ScanResult {
  uint64_t length = 0;    // where the last good batch ends
  Offset end_offset = 0;  // the offset after it
  bool broken = false;    // the walk stopped at something that is no good batch, not at the end
  bool any = false;       // there was a good batch, ...
  uint64_t last_position = 0;  // ... the last of which begins here
  uint64_t checked_bytes = 0;  // of the good batches whose checksum was computed: the last ones
};

// Walks `cursor` to its end or to the first batch that is not whole, or lies below the offset that
// must come next, or, from `check_from` on, contradicts its checksum. Good batches are noted in
// `progress` and `image`; both may be null.
Result<ScanResult> ScanBatches(BatchCursor& cursor, Offset expected, Offset check_from,
                               IndexProgress* progress, IndexImage* image);

// Where the zeros begin that reach to `end`: `from` at the lowest.
Result<uint64_t> FindZeroTail(File& file, uint64_t from, uint64_t end);

}  // namespace millrace
