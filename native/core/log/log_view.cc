#include "core/log/log_view.h"

#include <algorithm>

namespace millrace {
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
  return place.has_value() && place->last_offset == entry.offset &&
         place->max_timestamp == entry.timestamp;
}

// The record of [from, limit) with the largest timestamp, likewise.
struct LargestSearch {
  Offset base_offset;
  Offset from;
  Offset limit;
  TimestampPosition found;

  static bool Visit(void* context, int32_t, int64_t timestamp, int32_t offset_delta) {
    auto& search = *static_cast<LargestSearch*>(context);
    const Offset offset = search.base_offset + offset_delta;
    if (offset >= search.limit) return false;
    if (offset >= search.from && timestamp > search.found.timestamp)
      search.found = {offset, timestamp, -1, false};
    return true;
  }
};

// The answer of a batch whose header is enough: append time is every record's, and what is
// compressed is not unfolded here. None for others, those with holes among them.
std::optional<TimestampPosition> AnswerOfHeader(const BatchHeader& header, Offset from,
                                                Offset limit) {
  if (header.record_count == 0) return TimestampPosition();
  TimestampPosition answer{header.base_offset, header.max_timestamp, header.leader_epoch, true};
  const bool dense = header.last_offset - header.base_offset == header.record_count - 1;
  if ((header.attributes & kBatchAppendTime) != 0 && dense) {
    answer.offset = std::max(header.base_offset, from);
    answer.in_compressed_batch = false;
    return answer.offset < limit ? answer : TimestampPosition();
  }
  if ((header.attributes & kBatchCodecMask) != 0) return answer;
  return std::nullopt;
}

template <typename Search>
Result<TimestampPosition> SearchRecords(BatchCursor& cursor, Search search) {
  Result<std::span<const std::byte>> batch = cursor.Batch();
  if (!batch.ok()) return batch.status();
  if (Status status = VisitRecords(*batch, Search::Visit, &search); !status.ok()) {
    return Status(Code::kCorrupt);
  }
  if (search.found.offset >= 0) search.found.leader_epoch = cursor.header().leader_epoch;
  return search.found;
}

// What the cursor's batch, whose max timestamp is late enough, answers: offset -1 when its late
// records lie below `from` or at and above the limit.
Result<TimestampPosition> SearchBatch(BatchCursor& cursor, int64_t timestamp, Offset from,
                                      Offset limit) {
  const BatchHeader& header = cursor.header();
  const auto known = AnswerOfHeader(header, from, limit);
  if (known.has_value()) return *known;
  return SearchRecords(cursor, RecordSearch{header.base_offset, from, limit, timestamp, {}});
}

// The largest timestamp among the batches of `segment` that begin in [from, limit), with its
// batch's last offset. `from` is the segment's base or where one of its batches begins.
Result<TimestampOffset> LargestBatch(Segment& segment, Offset from, Offset limit) {
  Result<TimestampOffset> known = segment.MaxTimestamp();
  if (!known.ok()) return known.status();
  if (known->offset >= from && known->offset < limit) return known;
  TimestampOffset largest;
  Result<std::optional<BatchPlace>> found = segment.Find(from);
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
    if (cursor.header().record_count > 0 && cursor.header().max_timestamp > largest.timestamp) {
      largest = {cursor.header().max_timestamp, cursor.header().last_offset};
    }
  }
}

}  // namespace

Result<FileRegion> LogView::Read(Offset offset, uint64_t max_bytes, Offset limit,
                                 bool whole_first_batch) {
  return ReadSegments(segments_, start_, end_, offset, max_bytes, limit, whole_first_batch,
                      ReadMode::kWait);
}

Result<std::vector<std::byte>> LogView::ReadBatch(Offset offset, Offset limit) {
  Result<FileRegion> region = Read(offset, 0, limit, true);
  if (!region.ok()) return region.status();
  std::vector<std::byte> bytes(region->length());
  Result<size_t> got = region->Read(0, bytes);
  if (!got.ok()) return got.status();
  if (*got < bytes.size()) return Status(Code::kCorrupt);
  return bytes;
}

Result<TimestampPosition> LogView::FindTimestamp(int64_t timestamp, Offset from, Offset limit) {
  from = std::max(from, start_);
  limit = std::min(limit, end_);
  for (size_t i = SegmentHolding(segments_, from); i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    if (segment.base_offset() >= limit) break;
    Result<TimestampOffset> largest = segment.MaxTimestamp();
    if (!largest.ok()) return largest.status();
    if (largest->timestamp < timestamp) continue;

    // Every batch before the one in this entry has only smaller timestamps.
    Offset first = std::max(segment.base_offset(), from);
    if (Status status = segment.time_index().file().Load(); !status.ok()) return status;
    Result<std::optional<TimestampOffset>> entry = segment.time_index().Floor(timestamp);
    if (!entry.ok()) return entry.status();
    if (entry->has_value()) first = std::max(first, (*entry)->offset);
    Result<std::optional<BatchPlace>> found = segment.Find(first);
    if (!found.ok()) return found.status();
    if (entry->has_value() && first == (*entry)->offset && !Names(**entry, *found)) {
      found = segment.Find(std::max(segment.base_offset(), from));  // the index is damaged
      if (!found.ok()) return found.status();
    }
    if (!found->has_value()) continue;
    Result<std::shared_ptr<File>> file = segment.Open();
    if (!file.ok()) return file.status();
    BatchCursor cursor = segment.CursorAt(*file, (*found)->position);
    for (;;) {
      Result<BatchCursor::Step> step = cursor.Next();
      if (!step.ok()) return step.status();
      if (*step == BatchCursor::Step::kEnd) break;
      if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
      if (cursor.header().base_offset >= limit) return TimestampPosition();
      if (cursor.header().max_timestamp < timestamp) continue;
      Result<TimestampPosition> answer = SearchBatch(cursor, timestamp, from, limit);
      if (!answer.ok()) return answer.status();
      if (answer->offset >= 0) return answer;
    }
  }
  return TimestampPosition();
}

// A cursor that stands on the batch which holds `offset`, or the first one behind it.
Result<std::optional<BatchCursor>> LogView::FindBatch(Offset offset) {
  for (size_t i = SegmentHolding(segments_, offset); i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    Result<std::optional<BatchPlace>> found = segment.Find(offset);
    if (!found.ok()) return found.status();
    if (!found->has_value()) continue;
    Result<std::shared_ptr<File>> file = segment.Open();
    if (!file.ok()) return file.status();
    BatchCursor cursor = segment.CursorAt(*file, (*found)->position);
    Result<BatchCursor::Step> step = cursor.Next();
    if (!step.ok()) return step.status();
    if (*step != BatchCursor::Step::kBatch) return Status(Code::kCorrupt);
    return std::optional<BatchCursor>(std::move(cursor));
  }
  return std::optional<BatchCursor>();
}

Result<TimestampPosition> LogView::LargestOf(BatchCursor& cursor, Offset from, Offset limit) {
  const BatchHeader& header = cursor.header();
  const auto known = AnswerOfHeader(header, from, limit);
  if (known.has_value()) return *known;
  return SearchRecords(cursor, LargestSearch{header.base_offset, from, limit, {}});
}

Result<TimestampPosition> LogView::FindMaxTimestamp(Offset from, Offset limit) {
  from = std::max(from, start_);
  limit = std::min(limit, end_);
  if (from >= limit) return TimestampPosition();
  TimestampPosition answer;
  // Of a batch that begins below `from` the header says too much: its records are asked.
  Result<std::optional<BatchCursor>> first = FindBatch(from);
  if (!first.ok()) return first.status();
  if (!first->has_value()) return answer;
  if ((*first)->header().base_offset < from) {
    Result<TimestampPosition> here = LargestOf(**first, from, limit);
    if (!here.ok()) return here.status();
    answer = *here;
    from = (*first)->header().last_offset + 1;
  }
  TimestampOffset largest;
  for (size_t i = SegmentHolding(segments_, from); i < segments_.size(); ++i) {
    if (segments_[i]->base_offset() >= limit) break;
    Result<TimestampOffset> here = LargestBatch(*segments_[i], from, limit);
    if (!here.ok()) return here.status();
    if (here->timestamp > largest.timestamp) largest = *here;
  }
  if (largest.timestamp <= answer.timestamp) return answer;
  Result<std::optional<BatchCursor>> holder = FindBatch(largest.offset);
  if (!holder.ok()) return holder.status();
  if (!holder->has_value()) return Status(Code::kCorrupt);
  return SearchBatch(**holder, largest.timestamp, from, limit);
}

}  // namespace millrace
