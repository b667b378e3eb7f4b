#include "core/log/log_services.h"

#include <memory>
#include <utility>

namespace millrace {

// Until the broker knows its limits and calls SetCapacity.
constexpr size_t kDefaultOpenFiles = 1024;

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
  if (thread_.joinable()) thread_.join();
}

void LogServices::Run(std::function<void()> task) {
  if (background_ == Background::kInline) {
    task();
    return;
  }
  std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  changed_.notify_all();
}

void LogServices::Drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return tasks_.empty() && !running_; });
}

void LogServices::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    running_ = true;
    lock.unlock();
    task();
    task = nullptr;  // what it holds is closed here, on this thread
    lock.lock();
    running_ = false;
    changed_.notify_all();
  }
}

}  // namespace millrace
