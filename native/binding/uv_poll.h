#pragma once

#include <uv.h>

#include "binding/poll_handle.h"

namespace millrace {

// A descriptor in the environment's libuv loop.
class UvPoll final : public PollHandle {
 public:
  static Result<Pointer> Open(Environment& environment, int descriptor, Callback callback,
                              void* context);
  void Again() override;
  void KeepAlive(bool alive) override;

 private:
  using PollHandle::PollHandle;
  void Close() override;
  static void OnHandleClosed(UvPoll* self);

  uv_poll_t poll_;
  uv_idle_t idle_;
  int open_handles_ = 0;
};

}  // namespace millrace
