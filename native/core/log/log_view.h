#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/log/log.h"
#include "core/log/segment.h"

namespace millrace {

using SegmentList = std::span<const std::unique_ptr<Segment>>;  // by base offset

// The index of the segment that holds `offset`, or the first one behind it.
size_t SegmentHolding(SegmentList segments, Offset offset);
// Log::Read over these segments, of a log that has [start, end). kWouldBlock only in
// ReadMode::kCachedOnly.
Result<FileRegion> ReadSegments(SegmentList segments, Offset start, Offset end, Offset offset,
                                uint64_t max_bytes, Offset limit, bool whole_first_batch,
                                ReadMode mode);

// Segments of a log as they were at one moment. Made on the decision thread, used on any one thread
// that may wait for the disk, and given back to Log::Learn on the decision thread. It reads files
// that the log may cut, roll or remove meanwhile; a file that is gone is kNotFound.
class LogView {
 public:
  LogView(std::vector<std::unique_ptr<Segment>> segments, Offset start, Offset end)
      : segments_(std::move(segments)), start_(start), end_(end) {}

  // As Log::Read. An empty region when all segments of the view lie below `offset`.
  Result<FileRegion> Read(Offset offset, uint64_t max_bytes, Offset limit, bool whole_first_batch);
  // The whole batch that holds `offset`; empty when there is none below `limit`.
  Result<std::vector<std::byte>> ReadBatch(Offset offset, Offset limit);
  // The first record of [from, limit) at or after `timestamp`: looked up in the time index, then
  // among the batches behind it. offset -1: none.
  Result<TimestampPosition> FindTimestamp(int64_t timestamp, Offset from, Offset limit);
  // The first record of [from, limit) with the largest timestamp (ListOffsets -3).
  Result<TimestampPosition> FindMaxTimestamp(Offset from, Offset limit);

  SegmentList segments() const { return segments_; }

 private:
  Result<std::optional<BatchCursor>> FindBatch(Offset offset);
  Result<TimestampPosition> LargestOf(BatchCursor& cursor, Offset from, Offset limit);

  const std::vector<std::unique_ptr<Segment>> segments_;
  const Offset start_;
  const Offset end_;
};

}  // namespace millrace
