#include "core/log/removal_queue.h"

#include <utility>

#include "core/log/segment_names.h"

namespace millrace {

RemovalQueue::RemovalQueue(Disk& disk, LogServices& services, std::shared_ptr<SpareSegments> spares)
    : disk_(disk), services_(services), state_(std::make_shared<State>(std::move(spares))) {}

void RemovalQueue::Add(Removal removal) {
  {
    std::lock_guard lock(state_->mutex);
    state_->removals.push_back(std::move(removal));
  }
  services_.Run([state = state_, &disk = disk_, &services = services_] {
    (void)RemoveAll(disk, services, *state);
  });
}

Status RemovalQueue::Finish() { return RemoveAll(disk_, services_, *state_); }

std::function<Status()> RemovalQueue::Finisher() const {
  return [state = state_, &disk = disk_, &services = services_] {
    return RemoveAll(disk, services, *state);
  };
}

void RemovalQueue::Abandon() {
  std::deque<Removal> abandoned;  // outlives the locks
  std::lock_guard removing(state_->removing);
  std::lock_guard lock(state_->mutex);
  abandoned.swap(state_->removals);
}

Status RemovalQueue::RemoveAll(Disk& disk, LogServices& services, State& state) {
  for (;;) {
    Removal removed;  // outlives the locks: what it holds may be closed with it
    std::lock_guard removing(state.removing);
    Removal* oldest;
    {
      std::lock_guard lock(state.mutex);
      if (state.removals.empty()) return Status::Ok();
      oldest = &state.removals.front();  // stays where it is while others are added behind it
    }
    Status status = oldest->swap.has_value()
                        ? Finish(disk, services, *oldest->swap)
                        : RemoveOldest(disk, services, *state.spares, oldest->segment);
    if (!status.ok()) return status;
    std::lock_guard lock(state.mutex);
    removed = std::move(state.removals.front());
    state.removals.pop_front();
  }
}

Status RemovalQueue::Finish(Disk& disk, LogServices& services, Swap& swap) {
  if (!std::exchange(swap.tried, true)) {
    // Held open, so that losing their names gives nothing back yet. Later the name of the first may
    // be the new segment's.
    for (Swap::Replaced& replaced : swap.replaced) {
      if (replaced.log != nullptr) continue;
      const std::string name = SegmentFileName(replaced.base_offset, FileKind::kLog);
      auto opened = disk.Open(JoinPath(swap.directory, name), OpenMode::kReadWrite);
      if (opened.ok()) replaced.log = std::move(*opened);
    }
  }
  Status status = swap.drop ? DropSwap(disk, services.files(), swap.directory, swap.names)
                            : FinishSwap(disk, services.files(), swap.directory, swap.names);
  if (!status.ok()) return status;
  for (Swap::Replaced& replaced : swap.replaced) {
    if (replaced.log != nullptr) services.Retire(std::move(replaced.log));
  }
  return status;
}

// The name of the segment behind it may be as new as the log's last roll: without it, a power loss
// after this removal would leave a log that begins later than it should.
Status RemovalQueue::RemoveOldest(Disk& disk, LogServices& services, SpareSegments& spares,
                                  const Segment& segment) {
  const std::string directory = ParentDirectory(segment.log->file().path());
  if (Status status = SyncNames(disk, services.files(), directory); !status.ok()) return status;
  spares.Keep(*segment.log);
  return Remove(disk, services, segment);
}

Status RemovalQueue::Remove(Disk& disk, LogServices& services, const Segment& segment) {
  // Held open, so that losing its name gives nothing back yet.
  std::shared_ptr<File> log;
  if (Result<std::shared_ptr<File>> opened = segment.log->file().Acquire(); opened.ok())
    log = std::move(*opened);
  for (const std::string* path :
       {&segment.log->file().path(), &segment.offset_index->path(), &segment.time_index->path()}) {
    Status status = disk.Unlink(*path);
    if (!status.ok() && status.code() != Code::kNotFound) return status;
  }
  segment.log->file().Forget();
  if (log != nullptr) services.Retire(std::move(log));
  return Status::Ok();
}

}  // namespace millrace
