#include <algorithm>

#include "core/log/log_impl.h"

namespace millrace {

size_t LogImpl::SegmentFor(Offset offset) const {
  auto after = std::upper_bound(
      segments_.begin(), segments_.end(), offset,
      [](Offset wanted, const auto& segment) { return wanted < segment->base_offset(); });
  return after == segments_.begin() ? 0 : static_cast<size_t>(after - segments_.begin()) - 1;
}

Result<FileRegion> LogImpl::Read(Offset offset, uint64_t max_bytes, Offset limit,
                                 bool whole_first_batch) {
  if (segments_.empty()) return Status(Code::kClosed);
  limit = std::min(limit, dirty_.end());
  if (offset < log_start_ || offset > dirty_.end()) return Status(Code::kOffsetOutOfRange);
  if (offset >= limit) return FileRegion();
  for (size_t i = SegmentFor(offset); i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    if (segment.base_offset() >= limit) break;
    Result<std::optional<BatchPlace>> found = segment.Find(offset);
    if (!found.ok()) return Judge(found.status());
    if (!found->has_value())
      continue;  // compaction may have taken the offsets up to the segment's end
    const uint64_t position = (*found)->position;
    const uint64_t first_bytes = static_cast<uint64_t>((*found)->header.size_bytes);

    Result<uint64_t> end = segment.BoundaryAt(limit);
    if (!end.ok()) return Judge(end.status());
    if (*end <= position) break;
    if (first_bytes > max_bytes) {
      if (!whole_first_batch) break;
      end = position + first_bytes;
    } else if (max_bytes < *end - position) {
      end = segment.BoundaryBelow(position, position + max_bytes);
      if (!end.ok()) return Judge(end.status());
    }
    Result<std::shared_ptr<File>> file = segment.Open();
    if (!file.ok()) return file.status();
    return FileRegion(segment.file(), std::move(*file), position, *end - position);
  }
  return FileRegion();
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
      into[count++] = cursor.header();
    }
  }
  return count;
}

namespace {

// The first record that is late enough and readable, while VisitRecords walks over a batch.
struct RecordSearch {
  Offset base_offset;
  Offset from;
  Offset limit;
  int64_t timestamp;
  TimestampPosition found;

  static bool Visit(void* context, int32_t, int64_t timestamp, int32_t offset_delta) {
    auto& search = *static_cast<RecordSearch*>(context);
    const Offset offset = search.base_offset + offset_delta;
    if (offset < search.from || timestamp < search.timestamp) return offset < search.limit;
    if (offset < search.limit) search.found = {offset, timestamp, -1, false};
    return false;
  }
};

bool Names(const TimestampOffset& entry, const std::optional<BatchPlace>& place) {
  return place.has_value() && place->header.last_offset == entry.offset &&
         place->header.max_timestamp == entry.timestamp;
}

}  // namespace

// What the cursor's batch, whose max timestamp is late enough, answers: offset -1 when its late
// records lie below the log start or at and above the limit.
Result<TimestampPosition> LogImpl::SearchBatch(BatchCursor& cursor, int64_t timestamp,
                                               Offset limit) {
  const BatchHeader& header = cursor.header();
  TimestampPosition answer;
  const bool append_time = (header.attributes & kBatchAppendTime) != 0;
  if (append_time) {
    // All records have the batch's time.
    answer = {std::max(header.base_offset, log_start_), header.max_timestamp, -1, false};
    if (answer.offset >= limit) return TimestampPosition();
  } else if ((header.attributes & kBatchCodecMask) != 0) {
    answer = {header.base_offset, header.max_timestamp, -1, true};
  } else {
    Result<std::span<const std::byte>> batch = cursor.Batch();
    if (!batch.ok()) return batch.status();
    RecordSearch search{header.base_offset, log_start_, limit, timestamp, {}};
    if (Status status = VisitRecords(*batch, RecordSearch::Visit, &search); !status.ok()) {
      return Status(Code::kCorrupt);
    }
    answer = search.found;
  }
  if (answer.offset >= 0) answer.leader_epoch = header.leader_epoch;
  return answer;
}

Result<TimestampPosition> LogImpl::FindTimestamp(int64_t timestamp, Offset limit) {
  if (segments_.empty()) return Status(Code::kClosed);
  limit = std::min(limit, dirty_.end());
  for (size_t i = SegmentFor(log_start_); i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    if (segment.base_offset() >= limit) break;
    Result<TimestampOffset> largest = segment.MaxTimestamp();
    if (!largest.ok()) return Judge(largest.status());
    if (largest->timestamp < timestamp) continue;

    // Every batch before the one in this entry has only smaller timestamps.
    Offset from = std::max(segment.base_offset(), log_start_);
    if (Status status = segment.time_index().file().Load(); !status.ok()) return status;
    Result<std::optional<TimestampOffset>> entry = segment.time_index().Floor(timestamp);
    if (!entry.ok()) return entry.status();
    if (entry->has_value()) from = std::max(from, (*entry)->offset);
    Result<std::optional<BatchPlace>> found = segment.Find(from);
    if (!found.ok()) return Judge(found.status());
    if (entry->has_value() && from == (*entry)->offset && !Names(**entry, *found)) {
      found = segment.Find(std::max(segment.base_offset(), log_start_));  // the index is damaged
      if (!found.ok()) return Judge(found.status());
    }
    if (!found->has_value()) continue;
    Result<std::shared_ptr<File>> file = segment.Open();
    if (!file.ok()) return file.status();
    BatchCursor cursor = segment.CursorAt(*file, (*found)->position);
    for (;;) {
      Result<BatchCursor::Step> step = cursor.Next();
      if (!step.ok()) return step.status();
      if (*step == BatchCursor::Step::kEnd) break;
      if (*step == BatchCursor::Step::kBroken) return Judge(Status(Code::kCorrupt));
      if (cursor.header().base_offset >= limit) return TimestampPosition();
      if (cursor.header().max_timestamp < timestamp) continue;
      Result<TimestampPosition> answer = SearchBatch(cursor, timestamp, limit);
      if (!answer.ok()) return Judge(answer.status());
      if (answer->offset >= 0) return answer;
    }
  }
  return TimestampPosition();
}

// The largest timestamp among the batches of `segment` between the log start and the limit, with
// its batch's last offset.
Result<TimestampOffset> LogImpl::LargestBelow(Segment& segment, Offset limit) {
  Result<TimestampOffset> known = segment.MaxTimestamp();
  if (!known.ok()) return known.status();
  if (known->offset >= log_start_ && known->offset < limit) return known;
  TimestampOffset largest;
  Result<std::optional<BatchPlace>> found = segment.Find(log_start_);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return largest;
  Result<std::shared_ptr<File>> file = segment.Open();
  if (!file.ok()) return file.status();
  BatchCursor cursor = segment.CursorAt(*file, (*found)->position);
  for (;;) {
    Result<BatchCursor::Step> step = cursor.Next();
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    if (*step == BatchCursor::Step::kEnd || cursor.header().base_offset >= limit) return largest;
    if (cursor.header().max_timestamp > largest.timestamp) {
      largest = {cursor.header().max_timestamp, cursor.header().last_offset};
    }
  }
}

Result<TimestampPosition> LogImpl::FindMaxTimestamp(Offset limit) {
  if (segments_.empty()) return Status(Code::kClosed);
  limit = std::min(limit, dirty_.end());
  TimestampOffset largest;
  Segment* holder = nullptr;
  for (size_t i = SegmentFor(log_start_); i < segments_.size(); ++i) {
    if (segments_[i]->base_offset() >= limit) break;
    Result<TimestampOffset> here = LargestBelow(*segments_[i], limit);
    if (!here.ok()) return Judge(here.status());
    if (here->timestamp <= largest.timestamp) continue;
    largest = *here;
    holder = segments_[i].get();
  }
  if (holder == nullptr) return TimestampPosition();
  Result<std::optional<BatchPlace>> found = holder->Find(largest.offset);
  if (!found.ok()) return Judge(found.status());
  Result<std::shared_ptr<File>> file = holder->Open();
  if (!file.ok()) return file.status();
  BatchCursor cursor = holder->CursorAt(*file, (*found)->position);
  Result<BatchCursor::Step> step = cursor.Next();
  if (!step.ok()) return step.status();
  return SearchBatch(cursor, largest.timestamp, limit);
}

}  // namespace millrace
