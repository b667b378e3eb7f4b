#include "core/log/segment.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

// Thousands of partitions may each be written a little, and each then holds an extent.
constexpr uint64_t kFirstExtentBytes = 4 << 10;
constexpr uint64_t kLargestExtentBytes = 64 << 20;
constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kCopyBytes = 1 << 20;
// So much may be written behind the last index entry in the file: a start after a kill walks over
// it.
constexpr uint64_t kUnstoredBytes = 512 << 10;
// So much is written ahead at once, when it took at least so many syncs to get through as much
// before: a journal commit writes some four blocks, so that the zeros save the device more than
// they cost it.
constexpr uint64_t kAheadBytes = 64 << 10;
constexpr uint64_t kSyncsPerAhead = 4;
constexpr uint64_t kShareOfFree = 16;

uint64_t RoundUpToBlocks(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

Status CopyBytes(File& from, File& to, uint64_t length) {
  std::vector<std::byte> buffer(kCopyBytes);
  for (uint64_t done = 0; done < length;) {
    const std::span<std::byte> part(buffer.data(), std::min(length - done, kCopyBytes));
    Result<size_t> got = from.ReadAt(done, part);
    if (!got.ok()) return got.status();
    if (*got < part.size()) return Status(Code::kCorrupt);  // somebody else has cut it
    if (Status status = to.WriteAt(done, part); !status.ok()) return status;
    done += *got;
  }
  return Status::Ok();
}

}  // namespace

Segment::Segment(Disk& disk, OpenFiles& files, const std::string& directory, Offset base_offset,
                 uint32_t index_interval_bytes)
    : disk_(disk),
      base_offset_(base_offset),
      file_(std::make_shared<SegmentFile>(
          files, disk, JoinPath(directory, SegmentFileName(base_offset, FileKind::kLog)))),
      offset_index_(files, disk,
                    JoinPath(directory, SegmentFileName(base_offset, FileKind::kOffsetIndex)),
                    base_offset),
      time_index_(files, disk,
                  JoinPath(directory, SegmentFileName(base_offset, FileKind::kTimeIndex)),
                  base_offset),
      end_offset_(base_offset),
      index_interval_bytes_(index_interval_bytes) {}

void Segment::Begin(std::shared_ptr<File> log, uint64_t allocated) {
  file_->file().Adopt(log);
  open_ = std::move(log);
  SetAllocated(allocated);
  extent_ = std::max(allocated, kFirstExtentBytes);
  progress_ = IndexProgress();
  offset_index_.file().BeginEmpty();
  time_index_.file().BeginEmpty();
}

void Segment::TakeOver(uint64_t length, Offset end_offset,
                       const std::optional<IndexProgress>& progress) {
  length_ = length;
  end_offset_ = end_offset;
  progress_ = progress;
  file_->SetWritten(length);
}

Result<std::shared_ptr<File>> Segment::Open(ReadMode mode) const {
  if (open_ != nullptr) return open_;
  return mode == ReadMode::kWait ? file_->file().Acquire() : file_->file().AcquireOpen();
}

Result<bool> Segment::MustRoll(uint64_t size, Offset last_offset, int64_t max_timestamp,
                               int64_t now_ms, const LogConfig& config, size_t batches) {
  if (length_ == 0) return false;
  if (length_ + size > config.segment_bytes || length_ + size > INT32_MAX) return true;
  if (tail_ != nullptr && length_ + size > tail_->capacity()) return true;
  if (last_offset - base_offset_ > INT32_MAX) return true;
  if (Status status = LoadProgress(); !status.ok()) return status;
  // The time index keeps its last slot for the entry on roll.
  if (offset_index_.file().entries() + batches >
          config.segment_index_bytes / OffsetIndex::kEntryBytes ||
      time_index_.file().entries() + batches >=
          config.segment_index_bytes / TimeIndex::kEntryBytes) {
    return true;
  }
  Result<int64_t> first = FirstTimestamp();
  if (!first.ok()) return first.status();
  int64_t waited;
  if (*first >= 0) {
    if (__builtin_sub_overflow(max_timestamp, *first, &waited)) return false;
  } else {
    if (!created_ms_.has_value()) created_ms_ = now_ms;
    waited = now_ms - *created_ms_;
  }
  return waited > config.segment_ms;
}

Result<int64_t> Segment::FirstTimestamp() {
  if (first_timestamp_.has_value()) return *first_timestamp_;
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();
  BatchCursor cursor = CursorAt(*log, 0);
  Result<BatchCursor::Step> step = cursor.Next();
  if (!step.ok()) return step.status();
  if (*step != BatchCursor::Step::kBatch) return Status(Code::kCorrupt);
  first_timestamp_ = cursor.header().max_timestamp;
  return *first_timestamp_;
}

bool Segment::CanGather(size_t gathered, const LogConfig& config) {
  if (open_ == nullptr || !open_->writable() || tail_ != nullptr || length_ == 0) return false;
  const size_t more = gathered + 1;
  return offset_index_.file().entries() + more <
             config.segment_index_bytes / OffsetIndex::kEntryBytes &&
         time_index_.file().entries() + 1 + more <
             config.segment_index_bytes / TimeIndex::kEntryBytes;
}

Status Segment::Reserve(uint64_t size, const LogConfig& config, size_t batches) {
  index_interval_bytes_ = config.index_interval_bytes;
  if (Status status = LoadProgress(); !status.ok()) return status;
  at_rest_ = false;
  if (open_ == nullptr || !open_->writable()) {
    Result<std::shared_ptr<File>> log = file_->file().Acquire();
    if (!log.ok()) return log.status();
    SetAllocated(length_);
    whole_until_ = RoundUpToBlocks(length_);
    if (Status status = CheckUncut(**log); !status.ok()) return status;
    open_ = std::move(*log);
    extent_ = kFirstExtentBytes;
    ahead_until_ = length_;  // what was behind it was trimmed
    modified_ms_.reset();
  }
  if (!offset_index_.file().CanGather(batches)) {
    if (Status status = StoreIndexes(); !status.ok()) return status;
  }
  if (Status status = offset_index_.file().Reserve(batches); !status.ok()) return status;
  if (Status status = time_index_.file().Reserve(batches + 1); !status.ok()) return status;
  if (length_ + size > allocated_) {
    if (Status status = Grow(length_ + size, config); !status.ok()) return status;
  }
  return config.mapped || tail_ != nullptr ? ReserveMapped(size, config) : Status::Ok();
}

Status Segment::ReserveMapped(uint64_t size, const LogConfig& config) {
  const uint64_t end = length_ + size;
  const uint64_t capacity = RoundUpToBlocks(std::max<uint64_t>(config.segment_bytes, end));
  if (tail_ == nullptr) {
    Result<std::shared_ptr<MappedTail>> tail = MappedTail::Map(open_, capacity, length_);
    if (!tail.ok()) return tail.status();
    tail_ = std::move(*tail);
  }
  if (end > tail_->capacity()) return Status(Code::kBatchLargerThanSegment);
  // Pages can only be made ready where there are blocks. What is not there yet is tried again when
  // it is needed.
  const bool soon = allocated_ < end + tail_->ahead_bytes() / 2 && allocated_ < capacity;
  if (soon) (void)Grow(std::min(end + tail_->ahead_bytes(), capacity), config);
  return tail_->damaged() ? Status(Code::kCorrupt) : Status::Ok();
}

void Segment::SetAllocated(uint64_t end) {
  allocated_ = end;
  whole_until_ = std::min(whole_until_, RoundUpToBlocks(end));
  file_->SetAllocated(end);
  file_->NoteLayout();
}

// Growing a file that somebody else has cut would fill what is missing with zeros.
Status Segment::CheckUncut(File& log) const {
  Result<uint64_t> size = log.Size();
  if (!size.ok()) return size.status();
  return *size >= allocated_ ? Status::Ok() : Status(Code::kCorrupt);
}

// Of a disk that gets full no more than a share.
uint64_t Segment::NextExtent() const {
  if (extent_ <= kFirstExtentBytes) return extent_;
  Result<uint64_t> free = disk_.FreeBytes(file_->file().path());
  if (!free.ok()) return extent_;
  return RoundUpToBlocks(std::clamp(*free / kShareOfFree, kFirstExtentBytes, extent_));
}

Status Segment::Grow(uint64_t end, const LogConfig& config) {
  if (Status status = CheckUncut(*open_); !status.ok()) return status;
  const uint64_t extent = NextExtent();
  uint64_t wanted = std::min(allocated_ + extent, RoundUpToBlocks(config.segment_bytes));
  wanted = std::max(wanted, RoundUpToBlocks(end));
  Status status = open_->Allocate(allocated_, wanted);
  if (status.code() == Code::kNoSpace && wanted > RoundUpToBlocks(end)) {
    wanted = RoundUpToBlocks(end);  // the last of the space, in small pieces
    status = open_->Allocate(allocated_, wanted);
  }
  if (!status.ok()) return status;
  // As much again as was written since it was opened.
  extent_ = std::clamp(2 * (wanted - allocated_), extent_, kLargestExtentBytes);
  SetAllocated(wanted);
  return status;
}

Status Segment::WriteAhead(uint64_t size, uint64_t syncs) {
  const uint64_t end = length_ + size;
  if (end <= ahead_until_) return Status::Ok();
  const bool often = syncs - std::exchange(syncs_by_then_, syncs) >= kSyncsPerAhead;
  ahead_until_ = std::min(RoundUpToBlocks(end + kAheadBytes), allocated_);
  if (!often || size >= kAheadBytes) return Status::Ok();
  if (Status status = CheckUncut(); !status.ok()) return status;
  static constexpr std::array<std::byte, kAheadBytes> kZeros{};
  // Whole blocks: the one that the batch begins in has been written.
  uint64_t from = RoundUpToBlocks(length_);
  for (; from < ahead_until_; from += kZeros.size()) {
    const auto zeros =
        std::span(kZeros).first(std::min<uint64_t>(kZeros.size(), ahead_until_ - from));
    if (Status status = open_->WriteAt(from, zeros); !status.ok()) return status;
  }
  whole_until_ = ahead_until_;
  file_->NoteLayout();
  return Status::Ok();
}

Status Segment::Append(std::span<const std::byte> batch, const BatchHeader& header,
                       const LogConfig& config, Copy copy) {
  assert(open_ != nullptr && length_ + batch.size() <= allocated_ && progress_.has_value());
  assert(header.base_offset >= end_offset_);
  if (tail_ != nullptr && copy == Copy::kToMemory) {
    std::byte* const to = tail_->at(length_);
    if (to != batch.data()) std::memcpy(to, batch.data(), batch.size());
    // Copied first, then looked: a page that was lost reads as zeros and keeps nothing.
    if (tail_->damaged()) {
      damaged_ = true;
      return Status(Code::kCorrupt);
    }
  } else if (Status status = open_->WriteAt(length_, batch); !status.ok()) {
    // In a mapped segment the records are there since WriteBehind, and promised; the next batch to
    // be written here is this one, or what it has grown to.
    return tail_ != nullptr ? status : TakeBack(status);
  }
  NoteAppended(batch.size(), header, config);
  return Status::Ok();
}

Status Segment::AppendGathered(std::span<const GatheredBatch> batches, const LogConfig& config) {
  assert(open_ != nullptr && tail_ == nullptr && progress_.has_value());
  assert(batches.size() <= GatheredBatches::kMost);
  std::array<std::span<const std::byte>, GatheredBatches::kMost> parts;
  for (size_t i = 0; i < batches.size(); ++i) parts[i] = batches[i].bytes;
  const Status status = open_->WritePartsAt(length_, std::span(parts).first(batches.size()));
  if (!status.ok()) return TakeBack(status);
  for (const GatheredBatch& batch : batches) NoteAppended(batch.bytes.size(), batch.header, config);
  return Status::Ok();
}

Status Segment::AppendRun(std::span<const std::byte> run, std::span<const BatchHeader> headers,
                          const LogConfig& config) {
  assert(open_ != nullptr && length_ + run.size() <= allocated_ && progress_.has_value());
  if (Status status = open_->WriteAt(length_, run); !status.ok()) return TakeBack(status);
  for (const BatchHeader& header : headers)
    NoteAppended(static_cast<uint64_t>(header.size_bytes), header, config);
  return Status::Ok();
}

// What was written of it must not stay behind a later, shorter batch.
Status Segment::TakeBack(Status status) {
  SetAllocated(length_);
  damaged_ = !open_->Truncate(length_).ok();
  return status;
}

void Segment::NoteAppended(uint64_t size, const BatchHeader& header, const LogConfig& config) {
  progress_->Note(header);
  if (progress_->EntryDue(length_, config.index_interval_bytes)) {
    // An entry of the offset index implies that the time index is as far: recovery looks no further
    // back.
    Status finished = FinishTimeIndex();
    assert(finished.ok());
    (void)finished;
    std::atomic_signal_fence(std::memory_order_release);
    offset_index_.Append({header.last_offset, static_cast<uint32_t>(length_)});
    progress_->indexed_position = length_;
  }
  if (length_ == 0) first_timestamp_ = header.max_timestamp;
  recent_.Push({length_, size, header.base_offset, header.last_offset, header.max_timestamp});
  length_ += size;
  end_offset_ = header.last_offset + 1;
  if (length_ > whole_until_) {
    whole_until_ = RoundUpToBlocks(length_);
    file_->NoteLayout();
  }
  file_->SetWritten(length_);
  // If it fails, Reserve will say so once there is no more room to gather.
  if (length_ - stored_upto_ >= kUnstoredBytes) (void)StoreIndexes();
}

// In this order, since a stored entry of the offset index implies that the time index is as far.
Status Segment::StoreIndexes() {
  if (Status status = time_index_.file().Store(); !status.ok()) return status;
  if (Status status = offset_index_.file().Store(); !status.ok()) return status;
  stored_upto_ = length_;
  return Status::Ok();
}

DirtySegment Segment::Dirty() const {
  DirtySegment dirty;
  dirty.base_offset = base_offset_;
  dirty.segment = file_;
  dirty.log = open_;
  dirty.tail = tail_;
  return dirty;
}

Status Segment::FinishTimeIndex() {
  if (Status status = LoadProgress(); !status.ok()) return status;
  if (progress_->max.timestamp <= progress_->indexed_timestamp) return Status::Ok();
  if (Status status = time_index_.file().Reserve(1); !status.ok()) return status;
  time_index_.Append(progress_->max);
  progress_->indexed_timestamp = progress_->max.timestamp;
  at_rest_ = false;
  return Status::Ok();
}

Status Segment::FinishIndexes() {
  if (Status status = FinishTimeIndex(); !status.ok()) return status;
  return StoreIndexes();
}

DirtySegment Segment::Seal() {
  DirtySegment dirty = Dirty();
  dirty.sealed = true;
  for (auto [index, file] : {std::pair(&dirty.offset_index, &offset_index_.file()),
                             std::pair(&dirty.time_index, &time_index_.file())}) {
    *index = {file->file(), file->stored_bytes()};
  }
  recent_.Clear();
  tail_.reset();
  open_.reset();
  return dirty;
}

Status Segment::Rest() {
  if (at_rest_) return Status::Ok();
  const Status indexes = RestIndexes();
  if (!indexes.ok() && indexes.code() != Code::kNoSpace) return indexes;
  if (Status status = Pause(); !status.ok()) return status;
  at_rest_ = indexes.ok();
  return Status::Ok();
}

Status Segment::RestIndexes() {
  if (Status status = length_ > 0 ? FinishIndexes() : Status::Ok(); !status.ok()) return status;
  if (Status status = offset_index_.file().Rest(); !status.ok()) return status;
  return time_index_.file().Rest();
}

Status Segment::Pause() {
  recent_.Clear();
  if (open_ != nullptr && allocated_ != length_) {
    SetAllocated(length_);
    if (Status status = open_->Truncate(length_); !status.ok()) return status;
  }
  tail_.reset();
  open_.reset();
  return Status::Ok();
}

Status Segment::CutTo(Disk& disk, Offset offset) {
  Result<std::optional<BatchPlace>> found = Find(offset);
  if (!found.ok()) return found.status();
  Result<std::shared_ptr<File>> log = Open();
  if (!log.ok()) return log.status();

  if (found->has_value()) {
    length_ = (*found)->position;
    end_offset_ = std::min(offset, (*found)->base_offset);
    file_->Cut(length_);
    file_->SetWritten(length_);
    if (length_ == 0) first_timestamp_.reset();
  }
  recent_.Clear();
  tail_.reset();
  open_.reset();
  at_rest_ = false;
  stored_upto_ = std::min(stored_upto_, length_);
  boundaries_.fill({});
  progress_.reset();
  if (Status status = Shorten(disk, **log); !status.ok()) return status;
  if (Status status = offset_index_.CutTo(end_offset_); !status.ok()) return status;
  return time_index_.CutTo(end_offset_);
}

// Cutting a file within a page writes zeros into that page, and appending writes over them; sockets
// whose queues refer to the page would send those. Pages behind it leave the file as they are.
Status Segment::Shorten(Disk& disk, File& log) {
  if (length_ > 0) {
    Result<bool> detached = log.DetachPage(length_);
    if (!detached.ok()) return detached.status();
    if (!*detached) return ReplaceByPrefix(disk, log);
  }
  if (Status status = log.Truncate(length_); !status.ok()) return status;
  return log.Sync();
}

// The old file lives on without a name for as long as it is being sent.
Status Segment::ReplaceByPrefix(Disk& disk, File& log) {
  const std::string& path = file_->file().path();
  const std::string directory = ParentDirectory(path);
  const std::string copy_path = JoinPath(directory, kPreparedName);
  Result<std::shared_ptr<File>> copy = disk.Open(copy_path, OpenMode::kCreateNew);
  if (!copy.ok()) return copy.status();
  Status status = CopyBytes(log, **copy, length_);
  if (status.ok()) status = (*copy)->Sync();
  if (status.ok()) status = disk.Rename(copy_path, path);
  if (!status.ok()) {
    (void)disk.Unlink(copy_path);  // else the next start removes it
    return status;
  }
  file_->file().Adopt(*copy);
  return disk.SyncDirectory(directory);
}

Status Segment::WriteIndexes(const IndexImage& image) {
  if (Status status = offset_index_.file().Replace(image.offset_entries()); !status.ok()) {
    return status;
  }
  if (Status status = time_index_.file().Replace(image.time_entries()); !status.ok()) return status;
  progress_ = image.progress();
  return Status::Ok();
}

bool Segment::GatherIndexes(const IndexImage& image) {
  if (!offset_index_.file().GatherInstead(image.offset_entries())) return false;
  if (!time_index_.file().GatherInstead(image.time_entries())) return false;
  progress_ = image.progress();
  return true;
}

}  // namespace millrace
