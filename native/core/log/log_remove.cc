#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <functional>

#include "core/log/log_impl.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

// Kafka's pattern is `<name>.<32 hex digits>-delete`. The digits only have to differ from those of
// a directory of the same name that is still being removed.
std::string DeletedName(const std::string& directory, uint64_t attempt) {
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016" PRIx64 "%016" PRIx64,
                static_cast<uint64_t>(std::hash<std::string>()(directory)), attempt);
  return directory + "." + digits + "-delete";
}

Status RemoveDirectoryAndFiles(Disk& disk, const std::string& directory) {
  Result<std::vector<std::string>> names = disk.List(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    Status status = disk.Unlink(JoinPath(directory, name));
    if (!status.ok() && status.code() != Code::kNotFound) return status;
  }
  return disk.RemoveDirectory(directory);
}

}  // namespace

Status LogImpl::Remove(Segment& segment) {
  return RemovalQueue::Remove(disk_, services_, segment.files());
}

Status LogImpl::TruncateTo(Offset offset) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (Status status = WriteOut(); !status.ok()) return status;
  if (offset >= dirty_.end()) return Status::Ok();
  if (offset < log_start_) return ResetTo(offset);
  SettleReplacement();
  Segment& kept = *segments_[SegmentFor(offset)];
  Result<std::optional<BatchPlace>> first = kept.Find(offset);
  if (!first.ok()) return Judge(first.status());
  if (first->has_value() && (*first)->base_offset < log_start_) return ResetTo(log_start_);
  if (Status status = removals_.Finish(); !status.ok()) return status;
  const auto stopped = dirty_.StopFlush();
  if (dirty_.failed()) return Status(Code::kFailed);
  prepared_.Discard();
  spares_->Discard();
  // Whatever fails from here on leaves a log that is neither the old one nor the new one, and must
  // not be taken for durable up to the old end.
  dirty_.Rewind(first->has_value() ? std::min(offset, (*first)->base_offset) : kept.end_offset());
  Status status = CutTo(offset);
  CountRolledBytes();
  if (!status.ok()) dirty_.Fail(status);
  return status;
}

// Newest first, and their names for certain before the bytes of the segment that stays: at every
// step a crash leaves a log without a hole.
Status LogImpl::CutTo(Offset offset) {
  const size_t kept = SegmentFor(offset) + 1;
  const bool removes = kept < segments_.size();
  while (segments_.size() > kept) {
    segments_.back()->file()->Cut(0);
    if (Status status = Remove(active()); !status.ok()) return status;
    dirty_.Forget(active().base_offset(), INT64_MAX);
    segments_.pop_back();
  }
  if (removes) {
    if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  }
  if (Status status = active().CutTo(disk_, offset); !status.ok()) return status;
  dirty_.Forget(active().base_offset(), INT64_MAX);  // synced as a whole just now
  active_listed_ = false;
  dirty_.Rewind(active().end_offset());
  return Status::Ok();
}

Status LogImpl::ResetTo(Offset offset) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (Status status = WriteOut(); !status.ok()) return status;
  if (offset < 0) return Status(Code::kInvalidArgument);
  SettleReplacement();
  // The names of segments that went may be needed again.
  if (Status status = removals_.Finish(); !status.ok()) return status;
  const auto stopped = dirty_.StopFlush();
  if (dirty_.failed()) return Status(Code::kFailed);
  prepared_.Discard();
  spares_->Discard();
  Status status = StartOver(offset);
  CountRolledBytes();
  if (!status.ok()) dirty_.Fail(status);
  return status;
}

Status LogImpl::StartOver(Offset offset) {
  log_start_ = offset;
  dirty_.Rewind(offset);  // also if it ends half way: nothing of the old log counts any more
  while (!segments_.empty()) {
    segments_.back()->file()->Cut(0);
    if (Status status = Remove(active()); !status.ok()) return status;
    if (segments_.size() == 1) break;  // an open log has one
    segments_.pop_back();
  }
  dirty_.Forget(0, INT64_MAX);
  // The new name may not be there without the old ones being gone.
  if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  auto fresh = std::make_unique<Segment>(disk_, services_.files(), directory_, offset,
                                         config_.index_interval_bytes);
  uint64_t allocated = 0;
  Result<std::shared_ptr<File>> file = NextFile(fresh->file()->file().path(), &allocated);
  if (!file.ok()) return file.status();
  if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  fresh->TakeOver(0, offset, IndexProgress());
  segments_.back() = std::move(fresh);
  active_listed_ = false;
  dirty_.Begin(offset);
  return Status::Ok();
}

Status LogImpl::AdvanceStart(Offset offset) {
  if (segments_.empty()) return Status(Code::kClosed);
  if (Status status = WriteOut(); !status.ok()) return status;
  if (offset > dirty_.end()) return Status(Code::kOffsetOutOfRange);
  if (offset <= log_start_) return Status::Ok();
  log_start_ = offset;
  size_t gone = 0;
  while (gone + 1 < segments_.size() && segments_[gone + 1]->base_offset() <= offset) ++gone;
  // Before their names go: a flush that misses one asks whether it is known.
  std::vector<DirtySegment> forgotten = dirty_.Forget(0, segments_[gone]->base_offset());
  // Somebody has to close what was not flushed yet, and that can be a large file. First, since who
  // has a file open keeps it from being used again.
  if (!forgotten.empty()) services_.Run([forgotten = std::move(forgotten)] {});
  for (size_t i = 0; i < gone; ++i) removals_.Add(segments_[i]->files());
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(gone));
  CountRolledBytes();
  return Status::Ok();
}

Status LogImpl::Delete() {
  if (segments_.empty()) return Status(Code::kClosed);
  const auto stopped = dirty_.StopFlush();
  LetGo();
  static std::atomic<uint64_t> attempts{0};
  std::string deleted;
  Status status;
  do {
    deleted = DeletedName(directory_, attempts.fetch_add(1, std::memory_order_relaxed));
    status = disk_.Rename(directory_, deleted);
  } while (status.code() == Code::kExists);
  if (!status.ok()) return status;
  if (status = disk_.SyncDirectory(ParentDirectory(directory_)); !status.ok()) return status;
  // What cannot be removed is left under a name that the next start sweeps away.
  (void)RemoveDirectoryAndFiles(disk_, deleted);
  return Status::Ok();
}

}  // namespace millrace
