#include "core/log/removal_queue.h"

#include <utility>

namespace millrace {

RemovalQueue::RemovalQueue(Disk& disk, LogServices& services)
    : disk_(disk), services_(services), state_(std::make_shared<State>()) {}

void RemovalQueue::Add(Segment segment) {
  {
    std::lock_guard lock(state_->mutex);
    state_->segments.push_back(std::move(segment));
  }
  services_.Run([state = state_, &disk = disk_, &services = services_] {
    (void)RemoveAll(disk, services, *state);
  });
}

Status RemovalQueue::Finish() { return RemoveAll(disk_, services_, *state_); }

void RemovalQueue::Abandon() {
  std::deque<Segment> abandoned;  // outlives the locks
  std::lock_guard removing(state_->removing);
  std::lock_guard lock(state_->mutex);
  abandoned.swap(state_->segments);
}

Status RemovalQueue::RemoveAll(Disk& disk, LogServices& services, State& state) {
  for (;;) {
    Segment removed;  // outlives the locks: what it holds may be closed with it
    std::lock_guard removing(state.removing);
    Segment* oldest;
    {
      std::lock_guard lock(state.mutex);
      if (state.segments.empty()) return Status::Ok();
      oldest = &state.segments.front();  // stays where it is while others are added behind it
    }
    if (Status status = Remove(disk, services, *oldest); !status.ok()) return status;
    std::lock_guard lock(state.mutex);
    removed = std::move(state.segments.front());
    state.segments.pop_front();
  }
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
