#include <algorithm>
#include <cerrno>

#include "core/log/control_record.h"
#include "core/log/log_impl.h"
#include "core/log/log_view.h"

namespace millrace {

size_t SegmentHolding(SegmentList segments, Offset offset) {
  auto after = std::upper_bound(
      segments.begin(), segments.end(), offset,
      [](Offset wanted, const auto& segment) { return wanted < segment->base_offset(); });
  return after == segments.begin() ? 0 : static_cast<size_t>(after - segments.begin()) - 1;
}

Result<FileRegion> ReadSegments(SegmentList segments, Offset start, Offset end, Offset offset,
                                uint64_t max_bytes, Offset limit, bool whole_first_batch,
                                ReadMode mode) {
  if (segments.empty()) return Status(Code::kClosed);
  limit = std::min(limit, end);
  if (offset < start || offset > end) return Status(Code::kOffsetOutOfRange);
  if (offset >= limit) return FileRegion();
  for (size_t i = SegmentHolding(segments, offset); i < segments.size(); ++i) {
    Segment& segment = *segments[i];
    if (segment.base_offset() >= limit) break;
    Result<std::optional<BatchPlace>> found = segment.Find(offset, mode);
    if (!found.ok()) return found.status();
    if (!found->has_value())
      continue;  // compaction may have taken the offsets up to the segment's end
    const uint64_t position = (*found)->position;
    const uint64_t first_bytes = (*found)->size_bytes;

    Result<uint64_t> boundary = segment.BoundaryAt(limit, mode);
    if (!boundary.ok()) return boundary.status();
    if (*boundary <= position) break;
    if (first_bytes > max_bytes) {
      if (!whole_first_batch) break;
      boundary = position + first_bytes;
    } else if (max_bytes < *boundary - position) {
      boundary = segment.BoundaryBelow(position, position + max_bytes, mode);
      if (!boundary.ok()) return boundary.status();
    }
    // What lies before a place that the device does not deliver is still to be had.
    const uint64_t unreadable = segment.file()->unreadable();
    if (unreadable >= position && unreadable < *boundary) {
      if (unreadable < position + first_bytes) return Status(Code::kIoError, EIO);
      boundary = segment.BoundaryBelow(position, unreadable, mode);
      if (!boundary.ok()) return boundary.status();
    }
    if (segment.file()->damaged()) return Status(Code::kCorrupt);
    Result<std::shared_ptr<File>> file = segment.Open(mode);
    if (!file.ok()) return file.status();
    FileRegion region(segment.file(), std::move(*file), segment.generation(), position,
                      *boundary - position);
    const bool one_batch = *boundary == position + first_bytes;
    region.set_end_offset(
        std::min(limit, one_batch ? (*found)->last_offset + 1 : segment.EndBefore(*boundary)));
    return region;
  }
  return FileRegion();
}

Result<FileRegion> LogImpl::Read(Offset offset, uint64_t max_bytes, Offset limit,
                                 bool whole_first_batch) {
  Result<FileRegion> region = ReadSegments(segments_, log_start_, dirty_.end(), offset, max_bytes,
                                           limit, whole_first_batch, ReadMode::kCachedOnly);
  if (!region.ok()) return Judge(region.status());
  return region;
}

std::unique_ptr<LogView> LogImpl::View(Offset from, size_t segments) {
  if (segments_.empty()) return nullptr;
  std::vector<std::unique_ptr<Segment>> views;
  for (size_t i = SegmentFor(from); i < segments_.size() && views.size() < segments; ++i) {
    // Kafka's cleaner leaves empty ones: they hold no answer, and a run of them would use up the
    // view.
    const bool last = i + 1 == segments_.size();
    if (segments_[i]->length() > 0 || last) views.push_back(segments_[i]->View());
  }
  return std::make_unique<LogView>(std::move(views), log_start_, dirty_.end());
}

Status LogImpl::Learn(LogView& view, Status outcome) {
  if (segments_.empty()) return Status(Code::kClosed);
  bool whole = true;
  bool listed = true;
  for (const std::unique_ptr<Segment>& seen : view.segments()) {
    // A segment that was removed from the front is missing and was right; one that was cut or
    // removed from the end says so itself.
    if (!seen->Holds(*seen)) whole = false;
    Segment& mine = *segments_[SegmentFor(seen->base_offset())];
    if (mine.file() != seen->file()) listed = false;
    if (mine.file() == seen->file() && mine.Holds(*seen)) mine.Learn(*seen);
  }
  // A file that was not found may have gone with the log start; else somebody else has removed it.
  const bool removed = outcome.code() == Code::kNotFound;
  if (!outcome.ok() && (!whole || (removed && !listed))) return Status(Code::kWouldBlock);
  if (removed) outcome = Status(Code::kCorrupt, outcome.system_error());
  return whole ? Judge(outcome) : Status(Code::kWouldBlock);
}

Result<size_t> LogImpl::ReadHeaders(Offset from, Offset limit, std::span<BatchHeader> into) {
  if (segments_.empty()) return Status(Code::kClosed);
  limit = std::min(limit, dirty_.end());
  if (from < log_start_ || from > dirty_.end()) return Status(Code::kOffsetOutOfRange);
  size_t count = 0;
  for (size_t i = SegmentFor(from); i < segments_.size() && count < into.size(); ++i) {
    Segment& segment = *segments_[i];
    if (segment.base_offset() >= limit) break;
    Result<std::optional<BatchPlace>> found = segment.Find(from);
    if (!found.ok()) return Judge(found.status());
    if (!found->has_value()) continue;
    Result<std::shared_ptr<File>> file = segment.Open();
    if (!file.ok()) return file.status();
    BatchCursor cursor = segment.CursorAt(*file, (*found)->position);
    while (count < into.size()) {
      Result<BatchCursor::Step> step = cursor.Next();
      if (!step.ok()) return step.status();
      if (*step == BatchCursor::Step::kEnd) break;
      if (*step == BatchCursor::Step::kBroken) return Judge(Status(Code::kCorrupt));
      if (cursor.header().base_offset >= limit) return count;
      BatchHeader& header = into[count++];
      header = cursor.header();
      if ((header.attributes & kBatchControl) == 0) continue;
      Result<std::span<const std::byte>> batch = cursor.Batch();
      if (!batch.ok()) return Judge(batch.status());
      ReadControlRecord(*batch, &header);
    }
  }
  return count;
}

}  // namespace millrace
