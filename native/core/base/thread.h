#pragma once

#include <pthread.h>

#include <functional>
#include <utility>

#include "core/base/status.h"

namespace millrace {

// A joined thread with a name and no signals of its own: signals go to threads that expect them,
// and a system call here is never interrupted. Faults (SIGBUS, SIGSEGV, ...) stay deliverable.
class Thread {
 public:
  // `name` has at most 15 characters. `body` runs once on the new thread; it may be destroyed only
  // after Join.
  static Result<Thread> Start(const char* name, std::function<void()> body);

  Thread() = default;
  Thread(Thread&& other) noexcept
      : handle_(other.handle_), running_(std::exchange(other.running_, false)) {}
  Thread& operator=(Thread&& other) noexcept {
    Join();
    handle_ = other.handle_;
    running_ = std::exchange(other.running_, false);
    return *this;
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  void Join() {
    if (std::exchange(running_, false)) pthread_join(handle_, nullptr);
  }

 private:
  pthread_t handle_{};
  bool running_ = false;
};

}  // namespace millrace
