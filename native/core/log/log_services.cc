#include "core/log/log_services.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace millrace {

// Until the broker knows its limits and calls SetCapacity.
constexpr size_t kDefaultOpenFiles = 1024;
// What is synced meanwhile waits for a step: 0.3 ms a megabyte where freed blocks are discarded.
constexpr uint64_t kRetireStepBytes = 4 << 20;
// Between two steps others get the disk. The more waits, the shorter: a broker that removes as fast
// as it writes must not fall behind.
constexpr auto kRetirePause = std::chrono::microseconds(5000);
constexpr uint64_t kUnhurriedBytes = 1u << 30;
// Readers may hold a retired file for as long as its region is being sent.
constexpr auto kRetireRetry = std::chrono::milliseconds(500);

LogServices& LogServices::Process() {
  // Never destroyed: at exit other threads may still close files.
  static LogServices* const services =
      std::make_unique<LogServices>(kDefaultOpenFiles, Background::kThread).release();
  return *services;
}

LogServices::~LogServices() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (Lane* lane : {&tasks_, &ahead_, &write_back_}) {
    if (lane->thread.joinable()) lane->thread.join();
  }
}

std::shared_ptr<FileSystem> LogServices::FileSystemOf(Disk& disk, const std::string& directory) {
  std::lock_guard lock(mutex_);
  std::weak_ptr<FileSystem>& known = file_systems_[directory];
  std::shared_ptr<FileSystem> held = known.lock();
  if (held != nullptr) return held;
  Result<std::shared_ptr<FileSystem>> opened = disk.OpenFileSystem(directory);
  if (opened.ok()) held = std::move(*opened);
  known = held;
  return held;
}

void LogServices::Run(std::function<void()> task) { Queue(tasks_, std::move(task)); }

void LogServices::RunAhead(std::function<void()> task) { Queue(ahead_, std::move(task)); }

void LogServices::RunWriteBack(std::function<void()> task) { Queue(write_back_, std::move(task)); }

void LogServices::Queue(Lane& lane, std::function<void()> task) {
  if (background_ == Background::kInline) {
    task();
    return;
  }
  std::lock_guard lock(mutex_);
  lane.tasks.push_back(std::move(task));
  StartThread(lane);
}

void LogServices::Retire(std::shared_ptr<File> file) {
  if (background_ == Background::kInline) return;
  const Result<FileFacts> facts = file->Look();
  const uint64_t bytes = facts.ok() ? facts->size : 0;
  std::lock_guard lock(mutex_);
  retired_.push_back({std::move(file), bytes});
  retired_bytes_ += bytes;
  StartThread(tasks_);
}

void LogServices::StartThread(Lane& lane) {
  if (!lane.thread.joinable()) lane.thread = std::thread([this, &lane] { Work(lane); });
  changed_.notify_all();
}

size_t LogServices::retiring() const {
  std::lock_guard lock(mutex_);
  return retired_.size();
}

void LogServices::Drain() {
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return tasks_.quiet() && ahead_.quiet() && write_back_.quiet(); });
}

void LogServices::Work(Lane& lane) {
  Lock lock(mutex_);
  for (;;) {
    if (!lane.tasks.empty()) {
      RunTask(lane, lock);
    } else if (stopping_) {
      return;
    } else if (&lane == &tasks_ && !retired_.empty()) {
      ShrinkRetired(lock);
    } else {
      changed_.wait(lock);
    }
  }
}

void LogServices::RunTask(Lane& lane, Lock& lock) {
  std::function<void()> task = std::move(lane.tasks.front());
  lane.tasks.pop_front();
  lane.running = true;
  lock.unlock();
  task();
  task = nullptr;  // what it holds is closed here, on this thread
  lock.lock();
  lane.running = false;
  changed_.notify_all();
}

// One step of the first file that nobody else holds. It has no name, so nobody can come to hold it.
void LogServices::ShrinkRetired(Lock& lock) {
  auto free = std::find_if(retired_.begin(), retired_.end(),
                           [](const Retired& retired) { return retired.file.use_count() == 1; });
  if (free == retired_.end()) {
    PauseRetiring(lock, kRetireRetry);
    return;
  }
  Retired retired = std::move(*free);
  retired_.erase(free);
  retired_bytes_ -= retired.bytes;
  lock.unlock();
  const Result<FileFacts> facts = retired.file->Look();
  const uint64_t size = facts.ok() ? facts->size : 0;
  retired.bytes = size == 0 ? 0 : (size - 1) / kRetireStepBytes * kRetireStepBytes;
  // A cut within a page would write zeros into it, and a socket's queue may still refer to it.
  // Who has the file by another way than this process's cache, such as a reader of an app's log,
  // keeps all of it until he lets go; and so does who has given it a name of his own.
  const bool more = retired.bytes > 0 && !facts->named && retired.file->OnlyOpenHere() &&
                    retired.file->Truncate(retired.bytes).ok();
  if (!more) retired.file.reset();
  lock.lock();
  if (more) {
    retired_bytes_ += retired.bytes;
    retired_.push_front(std::move(retired));
  }
  if (facts.ok() && size < kRetireStepBytes) return;  // that gave back little
  const uint64_t share = std::max(retired_bytes_, kUnhurriedBytes) / kUnhurriedBytes;
  PauseRetiring(lock, kRetirePause / share);
}

void LogServices::PauseRetiring(Lock& lock, std::chrono::microseconds pause) {
  changed_.wait_for(lock, pause, [this] { return stopping_ || !tasks_.tasks.empty(); });
}

}  // namespace millrace
