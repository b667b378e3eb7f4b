#pragma once

#include <uv.h>

#include <memory>

#include "core/base/status.h"

namespace millrace {

class Environment;

// Calls back on the environment's thread, once per loop turn, while a descriptor is readable.
// Starts unref'd: it keeps no process alive.
class PollHandle {
 public:
  using Callback = void (*)(void* context);

  // Closing a libuv handle takes a loop turn, so the object frees itself when libuv lets go; the
  // descriptor may be closed as soon as the pointer is reset, and no callback comes after that.
  struct Closer {
    void operator()(PollHandle* handle) const { handle->Close(); }
  };
  using Pointer = std::unique_ptr<PollHandle, Closer>;

  static Result<Pointer> Open(Environment& environment, int descriptor, Callback callback,
                              void* context);

  // One more callback in the next turn, readable or not: for a caller that stopped before
  // everything was taken.
  void Again();
  void KeepAlive(bool alive);

 private:
  PollHandle(Environment& environment, Callback callback, void* context)
      : environment_(environment), callback_(callback), context_(context) {}
  ~PollHandle() = default;
  void Close();
  void Call() {
    if (callback_ != nullptr) callback_(context_);
  }
  static void OnHandleClosed(PollHandle* self);

  Environment& environment_;
  Callback callback_;  // null once closed
  void* context_;
  uv_poll_t poll_;
  uv_idle_t idle_;
  int open_handles_ = 0;
};

}  // namespace millrace
