#include <algorithm>

#include "core/log/segment.h"

namespace millrace {
namespace {

// Batches beyond the last index entry that a tail may have before the index counts as incomplete. A
// right index leaves at most index.interval.bytes, but of the interval that held when the entries
// were due.
constexpr uint64_t kTolerableTailBytes = 1 << 20;

// What an index says can be made again, so an index that cannot be read is as good as a wrong one.
bool Unusable(const Status& status) {
  return status.code() == Code::kCorrupt || status.code() == Code::kIoError;
}

}  // namespace

Segment::Segment(const Segment* viewed)
    : disk_(viewed->disk_),
      base_offset_(viewed->base_offset_),
      file_(viewed->file_),
      offset_index_(OffsetIndex::ReaderOf(viewed->offset_index_)),
      time_index_(TimeIndex::ReaderOf(viewed->time_index_)),
      end_offset_(viewed->end_offset_),
      length_(viewed->length_),
      progress_(viewed->progress_),
      index_interval_bytes_(viewed->index_interval_bytes_),
      boundaries_(viewed->boundaries_),
      view_of_(viewed->file_->generation()) {}

std::unique_ptr<Segment> Segment::View() const {
  return std::unique_ptr<Segment>(new Segment(this));  // its constructor is private
}

void Segment::Learn(Segment& view) {
  if (view.length_ != length_ || writing()) return;
  if (!progress_.has_value()) progress_ = view.progress_;
  for (auto [mine, seen] : {std::pair(&offset_index_.file(), &view.offset_index_.file()),
                            std::pair(&time_index_.file(), &view.time_index_.file())}) {
    if (seen->instead() != nullptr && mine->instead() == nullptr)
      mine->ReadInstead(seen->instead());
  }
}

Status Segment::Repair() {
  if (Status status = offset_index_.file().Repair(); !status.ok()) return status;
  return time_index_.file().Repair();
}

BatchCursor Segment::CursorAt(const std::shared_ptr<File>& log, uint64_t position,
                              ReadMode mode) const {
  return BatchCursor(log, mode, position, length_);
}

void Segment::Remember(Offset offset, uint64_t position) {
  for (const Boundary& known : boundaries_) {
    if (known.offset == offset) return;
  }
  boundaries_[next_boundary_] = {offset, position};
  next_boundary_ = (next_boundary_ + 1) % boundaries_.size();
}

Offset Segment::EndBefore(uint64_t position) const {
  for (const Boundary& known : boundaries_) {
    if (known.offset >= 0 && known.position == position) return known.offset;
  }
  return end_offset_;
}

Result<std::optional<BatchCursor>> Segment::Follow(const std::shared_ptr<File>& log, uint64_t end,
                                                   const OffsetEntry& entry, ReadMode mode) const {
  if (entry.position >= end) return std::optional<BatchCursor>();
  BatchCursor cursor(log, mode, entry.position, end);
  Result<BatchCursor::Step> step = cursor.Next();
  if (!step.ok()) return step.status();
  if (*step != BatchCursor::Step::kBatch || cursor.header().last_offset != entry.last_offset) {
    return std::optional<BatchCursor>();
  }
  cursor.Rewind();
  return std::optional<BatchCursor>(std::move(cursor));
}

Result<std::optional<OffsetEntry>> Segment::EntryFor(Offset offset, ReadMode mode) {
  if (Status status = offset_index_.file().Load(mode); !status.ok()) return status;
  return offset_index_.Floor(offset, mode);
}

Result<BatchCursor> Segment::CursorBefore(const std::shared_ptr<File>& log, Offset offset,
                                          ReadMode mode) {
  for (const Boundary& known : boundaries_) {
    if (known.offset == offset) return CursorAt(log, known.position, mode);
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    Result<std::optional<OffsetEntry>> entry = EntryFor(offset, mode);
    if (!entry.ok() && !Unusable(entry.status())) return entry.status();
    if (entry.ok()) {
      if (!entry->has_value()) return CursorAt(log, 0, mode);
      Result<std::optional<BatchCursor>> cursor = Follow(log, length_, **entry, mode);
      if (!cursor.ok()) return cursor.status();
      if (cursor->has_value()) return std::move(**cursor);
    }
    // The index is damaged, and making it again means reading the whole segment.
    if (mode == ReadMode::kCachedOnly) return Status(Code::kWouldBlock);
    if (Status status = RebuildIndexes(); !status.ok()) return status;
  }
  return Status(Code::kCorrupt);
}

Status Segment::RebuildIndexes() {
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  BatchCursor cursor = CursorAt(*log, 0);
  IndexImage image(base_offset_, index_interval_bytes_);
  Result<ScanResult> scan = ScanBatches(cursor, base_offset_, INT64_MAX, nullptr, &image);
  if (!scan.ok()) return scan.status();
  if (scan->broken) return Status(Code::kCorrupt);
  image.Finish();
  return UseIndexes(image);
}

Status Segment::UseIndexes(const IndexImage& image) {
  return view_of_.has_value() ? HoldIndexes(image) : WriteIndexes(image);
}

Status Segment::HoldIndexes(const IndexImage& image) {
  offset_index_.file().ReadInstead(
      std::make_shared<const std::vector<std::byte>>(image.offset_entries()));
  time_index_.file().ReadInstead(
      std::make_shared<const std::vector<std::byte>>(image.time_entries()));
  progress_ = image.progress();
  return Status::Ok();
}

Result<std::optional<BatchPlace>> Segment::Find(Offset offset, ReadMode mode) {
  if (offset >= end_offset_ || length_ == 0) return std::optional<BatchPlace>();
  if (std::optional<BatchPlace> recent = recent_.Find(offset); recent.has_value()) return recent;
  Result<std::shared_ptr<File>> log = Open(mode);
  if (!log.ok()) return log.status();
  Result<BatchCursor> cursor = CursorBefore(*log, offset, mode);
  if (!cursor.ok()) return cursor.status();
  for (;;) {
    Result<BatchCursor::Step> step = cursor->Next();
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kEnd) return std::optional<BatchPlace>();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    const BatchHeader& header = cursor->header();
    if (header.last_offset < offset) continue;
    return std::optional<BatchPlace>({cursor->position(), static_cast<uint64_t>(header.size_bytes),
                                      header.base_offset, header.last_offset,
                                      header.max_timestamp});
  }
}

Result<uint64_t> Segment::BoundaryAt(Offset limit, ReadMode mode) {
  if (limit >= end_offset_) return length_;
  if (limit <= base_offset_ || length_ == 0) return uint64_t{0};
  if (std::optional<BatchPlace> recent = recent_.FindBoundary(limit); recent.has_value()) {
    return recent->position;
  }
  Result<std::shared_ptr<File>> log = Open(mode);
  if (!log.ok()) return log.status();
  Result<BatchCursor> cursor = CursorBefore(*log, limit, mode);
  if (!cursor.ok()) return cursor.status();
  for (;;) {
    Result<BatchCursor::Step> step = cursor->Next();
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kBroken) return Status(Code::kCorrupt);
    if (*step == BatchCursor::Step::kEnd) return length_;
    if (cursor->header().base_offset < limit) continue;
    if (cursor->header().base_offset == limit) Remember(limit, cursor->position());
    return cursor->position();
  }
}

Result<uint64_t> Segment::BoundaryBelow(uint64_t from, uint64_t limit, ReadMode mode) {
  if (limit >= length_) return length_;
  if (std::optional<BatchPlace> recent = recent_.FindBelow(limit); recent.has_value()) {
    Remember(recent->base_offset, recent->position);
    return recent->position;
  }
  Result<std::shared_ptr<File>> log = Open(mode);
  if (!log.ok()) return log.status();
  BatchCursor cursor = CursorAt(*log, from, mode);
  Status loaded = offset_index_.file().Load(mode);
  Result<std::optional<OffsetEntry>> entry =
      loaded.ok() ? offset_index_.FloorOfPosition(limit, mode) : loaded;
  if (!entry.ok()) {
    // Without an index the batches from `from` on are walked over, which may take long.
    if (!Unusable(entry.status())) return entry.status();
    if (mode == ReadMode::kCachedOnly) return Status(Code::kWouldBlock);
    entry = std::optional<OffsetEntry>();
  }
  if (entry->has_value() && (*entry)->position > from) {
    Result<std::optional<BatchCursor>> followed = Follow(*log, length_, **entry, mode);
    if (!followed.ok()) return followed.status();
    // An entry that leads nowhere: from here it may be far, too far for a turn.
    if (!followed->has_value() && mode == ReadMode::kCachedOnly) return Status(Code::kWouldBlock);
    if (followed->has_value()) cursor = std::move(**followed);
  }
  uint64_t boundary = cursor.next_position();
  for (;;) {
    Result<BatchCursor::Step> step = cursor.Next();
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
  if (tail->image.has_value()) return UseIndexes(*tail->image);
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
  BatchCursor cursor(*log, ReadMode::kWait, 0, size);
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
  if (Unusable(below.status())) return false;
  if (!below.ok()) return below.status();
  BatchCursor cursor(log, ReadMode::kWait, below->has_value() ? (*below)->position : 0, size);
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
    if (Status status = file->Load(); !status.ok()) {
      if (Unusable(status)) return false;
      return status;
    }
    // What was gathered counts: its file comes later.
    const bool missing = file->missing() && file->entries() == 0;
    if (file->ragged() || (missing && size > 0)) return false;
  }
  Result<std::optional<OffsetEntry>> last = offset_index_.Last();
  if (Unusable(last.status())) return false;
  if (!last.ok()) return last.status();
  Result<std::optional<TimestampOffset>> largest = time_index_.Last();
  if (Unusable(largest.status())) return false;
  if (!largest.ok()) return largest.status();

  std::optional<BatchCursor> cursor(BatchCursor(log, ReadMode::kWait, 0, size));
  tail->progress = IndexProgress();
  if (last->has_value()) {
    // A time index without an entry says nothing about the batches that the offset index lets us
    // skip.
    if (!largest->has_value()) return false;
    Result<std::optional<BatchCursor>> followed = Follow(log, size, **last, ReadMode::kWait);
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
