#pragma once

#include <node_api.h>

#include <atomic>
#include <thread>

#include "binding/poll_handle.h"
#include "core/base/unique_fd.h"

namespace millrace {

// A descriptor that a thread of its own waits for, where the runtime's loop cannot. The thread asks
// for one callback, and looks at the descriptor again when that has returned: so it never calls
// back faster than callbacks are made, whatever is readable.
class ThreadPoll final : public PollHandle {
 public:
  static Result<Pointer> Open(Environment& environment, int descriptor, Callback callback,
                              void* context);
  void Again() override;
  void KeepAlive(bool alive) override;

 private:
  ThreadPoll(Environment& environment, int descriptor, Callback callback, void* context)
      : PollHandle(environment, callback, context), descriptor_(descriptor) {}
  Status Start();
  void Close() override;
  void Run();     // the thread
  void Signal();  // the environment's thread

  const int descriptor_;
  UniqueFd wake_;                      // an eventfd: written by Signal, read by the thread
  std::atomic<bool> stopping_{false};  // set by the environment's thread
  napi_threadsafe_function function_ = nullptr;
  std::thread thread_;
};

}  // namespace millrace
