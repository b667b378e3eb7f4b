#include "core/log/replacement.h"

#include <utility>

#include "core/log/segment_names.h"

namespace millrace {

Replacement::Replacement(Disk& disk, LogServices& services, RemovalQueue& removals,
                         std::string directory, std::vector<Offset> bases, Offset end_offset,
                         uint32_t index_interval_bytes, bool refused)
    : disk_(disk),
      services_(services),
      finish_removals_(removals.Finisher()),
      directory_(std::move(directory)),
      bases_(std::move(bases)),
      end_offset_(end_offset),
      index_interval_bytes_(index_interval_bytes),
      refused_(refused) {}

std::string Replacement::PathOf(FileKind kind) const {
  return JoinPath(directory_, SegmentFileName(bases_.back(), kind));
}

std::string Replacement::CleanedPathOf(FileKind kind) const {
  return JoinPath(directory_, CleanedFileName(bases_.front(), kind));
}

Status Replacement::Commit() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kWaiting) return status_;
  // Names of an earlier swap, or of segments below the log's start, may be in the way.
  status_ = refused_ ? Status(Code::kWouldBlock) : finish_removals_();
  if (status_.ok()) status_ = TakeFiles();
  if (status_.ok()) status_ = Check();
  if (status_.ok()) status_ = Decide();
  if (status_.ok()) {
    state_ = State::kCommitted;
    return status_;
  }
  if (!undecided_) DropCleaned();
  End(status_.code() == Code::kNotFound ? Status(Code::kWouldBlock) : status_);
  return status_;
}

bool Replacement::over() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  return lock.owns_lock() && state_ == State::kOver;
}

void Replacement::Cancel() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kWaiting) return;
  End(Status(Code::kWouldBlock));
  DropCleaned();
}

void Replacement::Abandon() {
  Cancel();
  std::lock_guard lock(mutex_);
  if (state_ == State::kCommitted) End(Status(Code::kClosed));
}

void Replacement::End(Status status) {
  state_ = State::kOver;
  status_ = status;
  segment_.reset();
  held_.clear();
}

void Replacement::DropCleaned() {
  (void)disk_.Unlink(CleanedPathOf(FileKind::kLog));
  for (const FileKind kind :
       {FileKind::kOffsetIndex, FileKind::kTimeIndex, FileKind::kTransactionIndex}) {
    (void)disk_.Unlink(CleanedPathOf(kind));
  }
}

// From here on the new segment's files are open, and stay so by whatever name.
Status Replacement::TakeFiles() {
  segment_ = std::make_unique<Segment>(disk_, services_.files(), directory_, bases_.front(),
                                       index_interval_bytes_);
  const std::pair<FileKind, CachedFile*> files[] = {
      {FileKind::kLog, &segment_->file()->file()},
      {FileKind::kOffsetIndex, segment_->offset_index().file().file().get()},
      {FileKind::kTimeIndex, segment_->time_index().file().file().get()}};
  for (const auto& [kind, name] : files) {
    const std::string path = CleanedPathOf(kind);
    Result<std::shared_ptr<File>> file = disk_.Open(path, OpenMode::kReadWrite);
    if (file.status().code() == Code::kTooManyFiles) {
      services_.files().CloseIdle();
      file = disk_.Open(path, OpenMode::kReadWrite);
    }
    if (!file.ok()) return file.status();
    name->Adopt(*file);
    held_.push_back(std::move(*file));
  }
  return Status::Ok();
}

// The cleaned segment ends where its sources do, and the last of them is what it was when it was
// read: a truncation would have changed that one in any case.
Status Replacement::Check() {
  Result<std::shared_ptr<File>> last = disk_.Open(PathOf(FileKind::kLog), OpenMode::kRead);
  if (!last.ok()) return last.status();
  Result<int64_t> source_ms = (*last)->ModifiedMs();
  if (!source_ms.ok()) return source_ms.status();
  Result<int64_t> cleaned_ms = held_[0]->ModifiedMs();
  if (!cleaned_ms.ok()) return cleaned_ms.status();
  if (*source_ms != *cleaned_ms) return Status(Code::kWouldBlock);

  Result<uint64_t> length = held_[0]->Size();
  if (!length.ok()) return length.status();
  Result<SegmentTail> tail = segment_->ReadTail(*length);
  if (!tail.ok()) return tail.status();
  const bool right = !tail->scan.broken && !tail->image.has_value();
  if (!right || tail->scan.end_offset != end_offset_) return Status(Code::kCorrupt);
  segment_->TakeOver(*length, end_offset_, tail->progress);
  return Status::Ok();
}

Status Replacement::Decide() {
  const std::string swap = SwapFileName(bases_.front(), bases_.back());
  if (Status status = disk_.Rename(CleanedPathOf(FileKind::kLog), JoinPath(directory_, swap));
      !status.ok()) {
    return status;
  }
  Status status = SyncNames(disk_, services_.files(), directory_);
  undecided_ = !status.ok();
  return status;
}

}  // namespace millrace
