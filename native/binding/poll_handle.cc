#include "binding/poll_handle.h"

#include "binding/environment.h"

namespace millrace {

Result<PollHandle::Pointer> PollHandle::Open(Environment& environment, int descriptor,
                                             Callback callback, void* context) {
  Pointer handle(new PollHandle(environment, callback, context));  // its constructor is private
  uv_loop_t* loop = environment.loop();
  handle->poll_.data = handle->idle_.data = handle.get();
  environment.Begin();
  uv_idle_init(loop, &handle->idle_);
  handle->open_handles_ = 1;
  int failure = uv_poll_init(loop, &handle->poll_, descriptor);
  if (failure == 0) {
    handle->open_handles_ = 2;
    failure = uv_poll_start(&handle->poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
      // An error on the descriptor is reported as readable too: whoever reads it finds out.
      static_cast<PollHandle*>(poll->data)->Call();
    });
  }
  if (failure != 0) return Status::FromErrno(-failure);
  handle->KeepAlive(false);
  return handle;
}

void PollHandle::Again() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&idle_)) != 0) return;
  uv_idle_start(&idle_, [](uv_idle_t* idle) {
    uv_idle_stop(idle);
    static_cast<PollHandle*>(idle->data)->Call();
  });
}

void PollHandle::KeepAlive(bool alive) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (alive) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void PollHandle::Close() {
  callback_ = nullptr;
  const bool has_poll = open_handles_ == 2;
  if (has_poll) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { OnHandleClosed(static_cast<PollHandle*>(handle->data)); });
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_),
           [](uv_handle_t* handle) { OnHandleClosed(static_cast<PollHandle*>(handle->data)); });
}

void PollHandle::OnHandleClosed(PollHandle* self) {
  if (--self->open_handles_ > 0) return;
  Environment& environment = self->environment_;
  delete self;  // it owned itself since Close()
  environment.End();
}

}  // namespace millrace
