#include "core/log/open_files.h"

#include <utility>

namespace millrace {

void OpenFiles::SetCapacity(size_t capacity) {
  List closing;
  std::lock_guard lock(mutex_);
  capacity_ = capacity;
  TrimTo(capacity_, &closing);
}

void OpenFiles::CloseIdle() {
  List closing;
  std::lock_guard lock(mutex_);
  TrimTo(0, &closing);
}

size_t OpenFiles::size() const {
  std::lock_guard lock(mutex_);
  return used_.size();
}

void OpenFiles::TrimTo(size_t capacity, List* closing) {
  while (used_.size() > capacity) {
    CachedFile* oldest = used_.back();
    used_.pop_back();
    closing->push_back(std::move(oldest->held_));
  }
}

Result<std::shared_ptr<File>> CachedFile::Acquire() { return AcquireAs(OpenMode::kReadWrite); }

Result<std::shared_ptr<File>> CachedFile::AcquireOrCreate() {
  return AcquireAs(OpenMode::kCreateOrOpen);
}

Result<std::shared_ptr<File>> CachedFile::AcquireOpen() {
  std::shared_ptr<File> file = FindOpen();
  if (file == nullptr) return Status(Code::kWouldBlock);
  return file;
}

std::shared_ptr<File> CachedFile::FindOpen() {
  std::lock_guard lock(cache_.mutex_);
  if (retired_) return nullptr;
  if (held_ == nullptr) return open_.lock();
  cache_.used_.splice(cache_.used_.begin(), cache_.used_, place_);
  return held_;
}

Result<std::shared_ptr<File>> CachedFile::AcquireAs(OpenMode mode) {
  // One that was opened while its file system took no writes is opened again: it may take them now.
  if (std::shared_ptr<File> open = FindOpen(); open != nullptr && open->writable()) return open;
  {
    std::lock_guard lock(cache_.mutex_);
    if (retired_) return Status(Code::kNotFound);
  }
  Result<std::shared_ptr<File>> file = disk_.Open(path_, mode);
  if (!file.ok() && file.status().code() == Code::kTooManyFiles) {
    // Idle descriptors of ours may be what is missing; once they are closed, the answer stands.
    cache_.CloseIdle();
    file = disk_.Open(path_, mode);
  }
  // Retired while it was being opened: it may be the other file already.
  if (file.ok() && !TakeIn(*file)) return Status(Code::kNotFound);
  return file;
}

void CachedFile::Adopt(const std::shared_ptr<File>& file) { (void)TakeIn(file); }

bool CachedFile::TakeIn(const std::shared_ptr<File>& file) {
  OpenFiles::List closing;  // outlives the lock
  std::lock_guard lock(cache_.mutex_);
  if (retired_) return false;
  if (held_ == nullptr) place_ = cache_.used_.insert(cache_.used_.begin(), this);
  held_ = file;
  open_ = file;
  cache_.TrimTo(cache_.capacity_, &closing);
  return true;
}

std::shared_ptr<File> CachedFile::Retire() {
  std::lock_guard lock(cache_.mutex_);
  retired_ = true;
  std::shared_ptr<File> file = open_.lock();
  if (held_ != nullptr) {
    cache_.used_.erase(place_);
    held_.reset();  // `file` still has it
  }
  return file;
}

void CachedFile::Forget() {
  std::shared_ptr<File> closing;  // outlives the lock
  std::lock_guard lock(cache_.mutex_);
  if (held_ == nullptr) return;
  cache_.used_.erase(place_);
  closing = std::move(held_);
}

}  // namespace millrace
