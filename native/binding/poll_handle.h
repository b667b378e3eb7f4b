#pragma once

#include <memory>

#include "core/base/status.h"

namespace millrace {

class Environment;

// Calls back on the environment's thread, once per loop turn, while a descriptor is readable.
// Starts unref'd: it keeps no process alive.
class PollHandle {
 public:
  using Callback = void (*)(void* context);

  // Closing a handle of the loop takes a turn, so the object frees itself when the loop lets go;
  // the descriptor may be closed as soon as the pointer is reset, and no callback comes after that.
  struct Closer {
    void operator()(PollHandle* handle) const { handle->Close(); }
  };
  using Pointer = std::unique_ptr<PollHandle, Closer>;

  // In the runtime's own loop where that polls epoll descriptors, as Node's does; else (Bun) by a
  // thread of its own that wakes the loop.
  static Result<Pointer> Open(Environment& environment, int descriptor, Callback callback,
                              void* context);

  // One more callback in the next turn, readable or not: for a caller that stopped before
  // everything was taken.
  virtual void Again() = 0;
  virtual void KeepAlive(bool alive) = 0;

 protected:
  PollHandle(Environment& environment, Callback callback, void* context)
      : environment_(environment), callback_(callback), context_(context) {}
  ~PollHandle() = default;  // what derives from it is final, and deletes itself
  virtual void Close() = 0;
  void Call() {
    if (callback_ != nullptr) callback_(context_);
  }

  Environment& environment_;
  Callback callback_;  // null once closed

 private:
  void* context_;
};

}  // namespace millrace
