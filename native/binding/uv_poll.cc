#include "binding/uv_poll.h"

#include "binding/environment.h"

namespace millrace {

Result<PollHandle::Pointer> UvPoll::Open(Environment& environment, int descriptor,
                                         Callback callback, void* context) {
  auto* self = new UvPoll(environment, callback, context);  // its constructor is private
  Pointer handle(self);
  uv_loop_t* loop = environment.loop();
  self->poll_.data = self->idle_.data = self;
  environment.Begin();
  uv_idle_init(loop, &self->idle_);
  self->open_handles_ = 1;
  int failure = uv_poll_init(loop, &self->poll_, descriptor);
  if (failure == 0) {
    self->open_handles_ = 2;
    failure = uv_poll_start(&self->poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
      // An error on the descriptor is reported as readable too: whoever reads it finds out.
      static_cast<UvPoll*>(poll->data)->Call();
    });
  }
  if (failure != 0) return Status::FromErrno(-failure);
  handle->KeepAlive(false);
  return handle;
}

void UvPoll::Again() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&idle_)) != 0) return;
  uv_idle_start(&idle_, [](uv_idle_t* idle) {
    uv_idle_stop(idle);
    static_cast<UvPoll*>(idle->data)->Call();
  });
}

void UvPoll::KeepAlive(bool alive) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (alive) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void UvPoll::Close() {
  callback_ = nullptr;
  const bool has_poll = open_handles_ == 2;
  if (has_poll) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { OnHandleClosed(static_cast<UvPoll*>(handle->data)); });
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_),
           [](uv_handle_t* handle) { OnHandleClosed(static_cast<UvPoll*>(handle->data)); });
}

void UvPoll::OnHandleClosed(UvPoll* self) {
  if (--self->open_handles_ > 0) return;
  Environment& environment = self->environment_;
  delete self;  // it owned itself since Close()
  environment.End();
}

}  // namespace millrace
