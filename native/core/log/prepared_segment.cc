#include "core/log/prepared_segment.h"

#include <utility>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr uint64_t kShareOfFree = 16;

}  // namespace

PreparedSegment::PreparedSegment(Disk& disk, LogServices& services,
                                 std::shared_ptr<SpareSegments> spares, std::string directory)
    : disk_(disk),
      services_(services),
      spares_(std::move(spares)),
      directory_(std::move(directory)),
      path_(JoinPath(directory_, kPreparedName)),
      state_(std::make_shared<State>()) {}

void PreparedSegment::Start(const Wanted& wanted) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stage != Stage::kNone) return;
    state_->stage = Stage::kQueued;
  }
  services_.Run([state = state_, &disk = disk_, spares = spares_, directory = directory_,
                 path = path_, wanted] {
    {
      std::lock_guard lock(state->mutex);
      if (state->stage != Stage::kQueued) return;  // discarded meanwhile, and the disk may be gone
      state->stage = Stage::kRunning;
    }
    uint64_t allocated = wanted.allocate_bytes;
    const Status made = Make(disk, *spares, directory, path, wanted, &allocated);
    std::lock_guard lock(state->mutex);
    state->allocated = allocated;
    state->stage = made.ok() ? Stage::kReady : Stage::kFailed;
    state->left_running.notify_all();
  });
}

Status PreparedSegment::Make(Disk& disk, SpareSegments& spares, const std::string& directory,
                             const std::string& path, const Wanted& wanted, uint64_t* allocated) {
  Status status;
  bool sync = true;
  if (!spares.TakeAs(path, allocated)) {
    sync = wanted.sync;
    Result<std::shared_ptr<File>> file = disk.Open(path, OpenMode::kCreateNew);
    if (!file.ok()) return file.status();
    if (*allocated > wanted.least_bytes) {
      const Result<uint64_t> free = disk.FreeBytes(directory);
      if (!free.ok() || *free / kShareOfFree < *allocated) *allocated = wanted.least_bytes;
    }
    status = (*file)->Allocate(0, *allocated);
    if (status.ok() && sync) status = (*file)->Sync();
  }
  if (status.ok() && sync) status = disk.SyncDirectory(directory);
  if (!status.ok()) (void)disk.Unlink(path);  // else the next start removes it
  return status;
}

std::shared_ptr<File> PreparedSegment::Take(uint64_t* allocated) {
  std::lock_guard lock(state_->mutex);
  if (state_->stage == Stage::kQueued || state_->stage == Stage::kRunning) return nullptr;
  if (std::exchange(state_->stage, Stage::kNone) != Stage::kReady) return nullptr;
  Result<std::shared_ptr<File>> file = disk_.Open(path_, OpenMode::kReadWrite);
  if (file.ok()) {
    *allocated = state_->allocated;
    return std::move(*file);
  }
  (void)disk_.Unlink(path_);
  return nullptr;
}

bool PreparedSegment::Discard() {
  Stage left;
  {
    std::unique_lock lock(state_->mutex);
    state_->left_running.wait(lock, [this] { return state_->stage != Stage::kRunning; });
    left = std::exchange(state_->stage, Stage::kNone);
  }
  if (left != Stage::kReady) return false;
  (void)disk_.Unlink(path_);
  return true;
}

}  // namespace millrace
