#include <algorithm>

#include "core/log/segment.h"

namespace millrace {
namespace {

// Batches beyond the last index entry that a tail may have before the index counts as incomplete. A
// right index leaves at most index.interval.bytes, but of the interval that held when the entries
// were due.
constexpr uint64_t kTolerableTailBytes = 1 << 20;

}  // namespace

const Mapping* Segment::MappingForReading() {
  if (open_ == nullptr) return nullptr;
  if (mapping_ == nullptr || mapping_->size() < length_) {
    // Without a mapping the file is read instead.
    Result<std::unique_ptr<Mapping>> mapping = open_->Map(allocated_, false);
    if (mapping.ok()) mapping_ = std::move(*mapping);
  }
  return mapping_.get();
}

Status Segment::CheckMapping() const {
  bool lost = mapping_ != nullptr && mapping_->damaged();
  return lost ? Status(Code::kFailed) : Status::Ok();
}

BatchCursor Segment::CursorAt(const std::shared_ptr<File>& log, uint64_t position) {
  return BatchCursor({log, MappingForReading()}, position, length_);
}

void Segment::Remember(Offset offset, uint64_t position) {
  for (const Boundary& known : boundaries_) {
    if (known.offset == offset) return;
  }
  boundaries_[next_boundary_] = {offset, position};
  next_boundary_ = (next_boundary_ + 1) % boundaries_.size();
}

Result<std::optional<BatchCursor>> Segment::Follow(const std::shared_ptr<File>& log, uint64_t end,
                                                   const OffsetEntry& entry) {
  if (entry.position >= end) return std::optional<BatchCursor>();
  BatchCursor cursor({log, MappingForReading()}, entry.position, end);
  Result<BatchCursor::Step> step = cursor.Next();
  if (!step.ok()) return step.status();
  if (*step != BatchCursor::Step::kBatch || cursor.header().last_offset != entry.last_offset) {
    return std::optional<BatchCursor>();
  }
  cursor.Rewind();
  return std::optional<BatchCursor>(std::move(cursor));
}

Result<BatchCursor> Segment::CursorBefore(const std::shared_ptr<File>& log, Offset offset) {
  for (const Boundary& known : boundaries_) {
    if (known.offset == offset) return CursorAt(log, known.position);
  }
  if (Status status = offset_index_.file().Load(); !status.ok()) return status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Result<std::optional<OffsetEntry>> entry = offset_index_.Floor(offset);
    if (!entry.ok()) return entry.status();
    if (!entry->has_value()) return CursorAt(log, 0);
    Result<std::optional<BatchCursor>> cursor = Follow(log, length_, **entry);
    if (!cursor.ok()) return cursor.status();
    if (cursor->has_value()) return std::move(**cursor);
    if (Status status = RebuildIndexes(); !status.ok()) return status;
  }
  return Status(Code::kCorrupt);
}

Status Segment::RebuildIndexes() {
  if (Status status = CheckMapping(); !status.ok()) return status;
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  BatchCursor cursor = CursorAt(*log, 0);
  IndexImage image(base_offset_, index_interval_bytes_);
  Result<ScanResult> scan = ScanBatches(cursor, base_offset_, INT64_MAX, nullptr, &image);
  if (!scan.ok()) return scan.status();
  if (scan->broken) return Status(Code::kCorrupt);
  image.Finish();
  return WriteIndexes(image);
}

Result<std::optional<BatchPlace>> Segment::Find(Offset offset) {
  if (offset >= end_offset_ || length_ == 0) return std::optional<BatchPlace>();
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  Result<BatchCursor> cursor = CursorBefore(*log, offset);
  if (!cursor.ok()) return cursor.status();
  for (;;) {
    Result<BatchCursor::Step> step = cursor->Next();
    if (Status status = CheckMapping(); !status.ok()) return status;
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kEnd) return std::optional<BatchPlace>();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    if (cursor->header().last_offset < offset) continue;
    return std::optional<BatchPlace>({cursor->position(), cursor->header()});
  }
}

Result<uint64_t> Segment::BoundaryAt(Offset limit) {
  if (limit >= end_offset_) return length_;
  if (limit <= base_offset_ || length_ == 0) return uint64_t{0};
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  Result<BatchCursor> cursor = CursorBefore(*log, limit);
  if (!cursor.ok()) return cursor.status();
  for (;;) {
    Result<BatchCursor::Step> step = cursor->Next();
    if (Status status = CheckMapping(); !status.ok()) return status;
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    if (*step == BatchCursor::Step::kEnd) return length_;
    if (cursor->header().base_offset < limit) continue;
    if (cursor->header().base_offset == limit) Remember(limit, cursor->position());
    return cursor->position();
  }
}

Result<uint64_t> Segment::BoundaryBelow(uint64_t from, uint64_t limit) {
  if (limit >= length_) return length_;
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  BatchCursor cursor = CursorAt(*log, from);
  if (Status status = offset_index_.file().Load(); !status.ok()) return status;
  Result<std::optional<OffsetEntry>> entry = offset_index_.FloorOfPosition(limit);
  if (!entry.ok()) return entry.status();
  if (entry->has_value() && (*entry)->position > from) {
    Result<std::optional<BatchCursor>> followed = Follow(*log, length_, **entry);
    if (!followed.ok()) return followed.status();
    if (followed->has_value()) cursor = std::move(**followed);
  }
  uint64_t boundary = cursor.next_position();
  for (;;) {
    Result<BatchCursor::Step> step = cursor.Next();
    if (Status status = CheckMapping(); !status.ok()) return status;
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    if (*step == BatchCursor::Step::kEnd) return boundary;
    if (cursor.next_position() > limit) {
      Remember(cursor.header().base_offset, boundary);  // where the reader will go on
      return boundary;
    }
    boundary = cursor.next_position();
  }
}

Status Segment::LoadProgress() {
  if (progress_.has_value()) return Status::Ok();
  Result<SegmentTail> tail = ReadTail(length_);
  if (!tail.ok()) return tail.status();
  if (tail->scan.broken) return Status(Code::kCorrupt);
  if (tail->image.has_value()) return WriteIndexes(*tail->image);
  progress_ = tail->progress;
  return Status::Ok();
}

Result<TimestampOffset> Segment::MaxTimestamp() {
  if (Status status = LoadProgress(); !status.ok()) return status;
  return progress_->max;
}

Result<int64_t> Segment::ModifiedMs() {
  if (open_ == nullptr && modified_ms_.has_value()) return *modified_ms_;
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  Result<int64_t> modified_ms = (*log)->ModifiedMs();
  if (modified_ms.ok() && open_ == nullptr) modified_ms_ = *modified_ms;
  return modified_ms;
}

Result<SegmentTail> Segment::ReadTail(uint64_t size) {
  SegmentTail tail;
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  Result<bool> trusted = ReadTailByIndex(*log, size, &tail);
  if (!trusted.ok()) return trusted.status();
  if (*trusted) return tail;

  tail.image.emplace(base_offset_, index_interval_bytes_);
  BatchCursor cursor({*log, nullptr}, 0, size);
  Result<ScanResult> scan = ScanBatches(cursor, base_offset_, INT64_MAX, nullptr, &*tail.image);
  if (!scan.ok()) return scan.status();
  tail.image->Finish();
  tail.scan = *scan;
  tail.progress = tail.image->progress();
  return tail;
}

// Whether a batch ends with the entry's offset and has its timestamp.
Result<bool> Segment::Confirms(const std::shared_ptr<File>& log, uint64_t size,
                               const TimestampOffset& entry) {
  Result<std::optional<OffsetEntry>> below = offset_index_.Floor(entry.offset);
  if (!below.ok()) return below.status();
  BatchCursor cursor({log, nullptr}, below->has_value() ? (*below)->position : 0, size);
  for (;;) {
    Result<BatchCursor::Step> step = cursor.Next();
    if (!step.ok()) return step.status();
    if (*step != BatchCursor::Step::kBatch) return false;
    const BatchHeader& header = cursor.header();
    if (header.last_offset < entry.offset) continue;
    return header.last_offset == entry.offset && header.max_timestamp == entry.timestamp;
  }
}

// False when the indexes cannot be what appending has written.
Result<bool> Segment::ReadTailByIndex(const std::shared_ptr<File>& log, uint64_t size,
                                      SegmentTail* tail) {
  for (IndexFile* file : {&offset_index_.file(), &time_index_.file()}) {
    if (Status status = file->Load(); !status.ok()) return status;
    if (file->ragged() || (file->missing() && size > 0)) return false;
  }
  Result<std::optional<OffsetEntry>> last = offset_index_.Last();
  if (!last.ok()) return last.status();
  Result<std::optional<TimestampOffset>> largest = time_index_.Last();
  if (!largest.ok()) return largest.status();

  std::optional<BatchCursor> cursor(BatchCursor({log, nullptr}, 0, size));
  tail->progress = IndexProgress();
  if (last->has_value()) {
    // A time index without an entry says nothing about the batches that the offset index lets us
    // skip.
    if (!largest->has_value()) return false;
    Result<std::optional<BatchCursor>> followed = Follow(log, size, **last);
    if (!followed.ok()) return followed.status();
    if (!followed->has_value()) return false;
    cursor = std::move(**followed);
    tail->progress.indexed_position = (*last)->position;
  }
  if (largest->has_value()) {
    tail->progress.max = **largest;
    tail->progress.indexed_timestamp = (*largest)->timestamp;
  }
  Result<ScanResult> scan = ScanBatches(*cursor, base_offset_, INT64_MAX, &tail->progress, nullptr);
  if (!scan.ok()) return scan.status();
  tail->scan = *scan;
  if (largest->has_value()) {
    Result<bool> confirmed = Confirms(log, scan->length, **largest);
    if (!confirmed.ok()) return confirmed.status();
    if (!*confirmed) return false;
  }
  return !scan->any || scan->last_position - tail->progress.indexed_position <=
                           kTolerableTailBytes + index_interval_bytes_;
}

}  // namespace millrace
