#include "core/log/spare_segments.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

// A disk has room for spares while it has room for so many more segments.
constexpr uint64_t kFreeSegments = 16;

}  // namespace

void SpareSegments::Configure(size_t count, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  count_ = count;
  bytes_ = bytes;
}

// A file that was rolled early would get most of its blocks anew.
std::string SpareSegments::ClaimName(uint64_t length, uint64_t* bytes) {
  std::lock_guard lock(mutex_);
  *bytes = bytes_;
  if (spares_.size() >= count_ || length < bytes_ / 2 || length > bytes_) return {};
  return JoinPath(directory_, SpareFileName(names_++));
}

bool SpareSegments::HasRoom(uint64_t bytes) const {
  Result<uint64_t> free = disk_.FreeBytes(directory_);
  return free.ok() && *free / kFreeSegments >= bytes && *free >= services_.kept_free() + bytes;
}

// The name goes first: nobody new finds the file when its holders are counted, neither by this
// process's cache nor by its path.
void SpareSegments::Keep(SegmentFile& segment) {
  uint64_t bytes;
  std::string path = ClaimName(segment.written(), &bytes);
  if (path.empty() || !HasRoom(bytes)) return;
  Result<std::shared_ptr<File>> opened = segment.file().Acquire();
  if (!opened.ok() || !(*opened)->writable()) return;
  std::shared_ptr<File> file = std::move(*opened);
  if (!disk_.Rename(segment.file().path(), path).ok()) return;
  (void)segment.file().Retire();
  if (!Erase(file, bytes).ok()) {
    (void)disk_.Unlink(path);  // else the next start removes it
    services_.Retire(std::move(file));
    return;
  }
  std::lock_guard lock(mutex_);
  spares_.push_back({std::move(path), bytes});
}

// kWouldBlock: somebody has it. A region that is yet to be sent holds the file; one that was sent
// needs nothing but its pages.
Status SpareSegments::Erase(const std::shared_ptr<File>& file, uint64_t bytes) {
  constexpr long kCallers = 1;
  if (file.use_count() > kCallers) return Status(Code::kWouldBlock);
#ifndef __SANITIZE_THREAD__                             // which knows no fences
  std::atomic_thread_fence(std::memory_order_acquire);  // after what the last holder did
#endif
  Result<bool> erased = file->Erase(bytes);
  if (!erased.ok()) return erased.status();
  return *erased ? file->Sync() : Status(Code::kWouldBlock);
}

bool SpareSegments::TakeAs(const std::string& path, uint64_t* bytes) {
  Spare spare;
  {
    std::lock_guard lock(mutex_);
    const auto fits = [&](const Spare& known) { return known.bytes == bytes_; };
    const auto found = std::find_if(spares_.begin(), spares_.end(), fits);
    if (found == spares_.end()) return false;
    spare = std::move(*found);
    spares_.erase(found);
  }
  *bytes = spare.bytes;
  if (disk_.Rename(spare.path, path).ok()) return true;
  (void)disk_.Unlink(spare.path);
  return false;
}

bool SpareSegments::Discard() {
  std::vector<Spare> discarded;
  {
    std::lock_guard lock(mutex_);
    discarded.swap(spares_);
  }
  for (const Spare& spare : discarded) (void)disk_.Unlink(spare.path);
  return !discarded.empty();
}

}  // namespace millrace
