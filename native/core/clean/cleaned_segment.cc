#include "core/clean/cleaned_segment.h"

#include <algorithm>

namespace millrace {
namespace {

// Of one write: the kernel does not interrupt a copy for threads that answer clients.
constexpr size_t kStepBytes = 128 << 10;
// What a sync of a moment ago did not take yet is at most this much.
constexpr uint64_t kSyncStepBytes = 16 << 20;

constexpr FileKind kKinds[] = {FileKind::kLog, FileKind::kOffsetIndex, FileKind::kTimeIndex,
                               FileKind::kTransactionIndex};

}  // namespace

CleanedSegment::~CleanedSegment() {
  if (begun_ && !finished_) Remove();
}

std::string CleanedSegment::PathOf(FileKind kind) const {
  return JoinPath(directory_, CleanedFileName(base_offset_, kind));
}

// What cannot be removed the next start removes, or the next pass.
void CleanedSegment::Remove() {
  log_.reset();
  for (const FileKind kind : kKinds) (void)disk_.Unlink(PathOf(kind));
}

Status CleanedSegment::Begin() {
  begun_ = true;
  Remove();  // an earlier pass may have left it
  Result<std::shared_ptr<File>> log = disk_.Open(PathOf(FileKind::kLog), OpenMode::kCreateNew);
  if (!log.ok()) return log.status();
  log_ = std::move(*log);
  buffer_.reserve(kStepBytes);
  return Status::Ok();
}

Status CleanedSegment::Add(std::span<const std::byte> batch, const BatchHeader& header) {
  if (header.last_offset - base_offset_ > INT32_MAX || length() + batch.size() > INT32_MAX)
    return Status(Code::kOffsetOutOfRange);
  image_.Add(header, length());
  if (buffer_.size() + batch.size() > kStepBytes) {
    if (Status status = Write(buffer_); !status.ok()) return status;
    buffer_.clear();
    if (batch.size() >= kStepBytes) return Write(batch);
  }
  buffer_.insert(buffer_.end(), batch.begin(), batch.end());
  return Status::Ok();
}

Status CleanedSegment::Write(std::span<const std::byte> bytes) {
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kStepBytes, bytes.size()))) {
    const auto step = bytes.first(std::min(kStepBytes, bytes.size()));
    if (Status status = budget_.Spend(step.size()); !status.ok()) return status;
    if (Status status = log_->WriteAt(length_, step); !status.ok()) return status;
    log_->StartWriteBack(length_, step.size());
    length_ += step.size();
  }
  if (length_ - synced_ < kSyncStepBytes) return Status::Ok();
  synced_ = length_;
  return log_->Sync();
}

Status CleanedSegment::WriteSmall(FileKind kind, std::span<const std::byte> bytes) {
  Result<std::shared_ptr<File>> file = disk_.Open(PathOf(kind), OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  if (Status status = budget_.Spend(bytes.size()); !status.ok()) return status;
  if (!bytes.empty()) {
    if (Status status = (*file)->WriteAt(0, bytes); !status.ok()) return status;
  }
  return (*file)->Sync();
}

Status CleanedSegment::Finish(int64_t modified_ms,
                              const std::optional<std::vector<AbortedTransaction>>& aborted,
                              bool keep_cached) {
  if (Status status = Write(buffer_); !status.ok()) return status;
  buffer_.clear();
  if (Status status = log_->SetModifiedMs(modified_ms); !status.ok()) return status;
  if (Status status = log_->Sync(); !status.ok()) return status;
  if (!keep_cached) log_->DropCacheRange(0, length_);
  image_.Finish();
  if (Status status = WriteSmall(FileKind::kOffsetIndex, image_.offset_entries()); !status.ok())
    return status;
  if (Status status = WriteSmall(FileKind::kTimeIndex, image_.time_entries()); !status.ok())
    return status;
  if (aborted.has_value()) {
    std::vector<std::byte> entries(aborted->size() * AbortedTransaction::kBytes);
    for (size_t i = 0; i < aborted->size(); ++i)
      EncodeAborted((*aborted)[i], entries.data() + i * AbortedTransaction::kBytes);
    if (Status status = WriteSmall(FileKind::kTransactionIndex, entries); !status.ok())
      return status;
  }
  if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  finished_ = true;
  return Status::Ok();
}

}  // namespace millrace
