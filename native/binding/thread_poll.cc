#include "binding/thread_poll.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "binding/environment.h"

namespace millrace {

Result<PollHandle::Pointer> ThreadPoll::Open(Environment& environment, int descriptor,
                                             Callback callback, void* context) {
  auto* self = new ThreadPoll(environment, descriptor, callback, context);
  const Status started = self->Start();
  if (!started.ok()) {
    delete self;
    return started;
  }
  return Pointer(self);
}

Status ThreadPoll::Start() {
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return Status::FromErrno(errno);
  const napi_env env = environment_.env();
  const auto called = [](napi_env caller, napi_value, void* context, void*) {
    auto* self = static_cast<ThreadPoll*>(context);
    if (caller == nullptr) return;  // the environment ends
    self->Call();
    if (self->callback_ != nullptr) self->Signal();
  };
  const auto ended = [](napi_env, void* data, void*) {
    auto* self = static_cast<ThreadPoll*>(data);
    Environment& environment = self->environment_;
    delete self;  // it owned itself since Close()
    environment.End();
  };
  napi_value name;
  if (napi_create_string_utf8(env, "millrace", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, this, ended, this, called,
                                      &function_) != napi_ok) {
    return Status(Code::kNoMemory);
  }
  environment_.Begin();
  KeepAlive(false);
  thread_ = std::thread([this] { Run(); });
  return Status::Ok();
}

void ThreadPoll::Run() {
  for (bool armed = true;;) {
    pollfd watched[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                        {.fd = descriptor_, .events = POLLIN, .revents = 0}};
    if (poll(watched, armed ? 2 : 1, -1) < 0) continue;  // EINTR
    if (watched[0].revents != 0) {
      uint64_t signals;
      (void)!read(wake_.get(), &signals, sizeof signals);
      if (stopping_.load(std::memory_order_acquire)) return;
      armed = true;
      continue;  // what is known of the descriptor is from before the callback
    }
    if (watched[1].revents == 0) continue;
    armed = false;
    napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
}

void ThreadPoll::Signal() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

void ThreadPoll::Again() {
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void ThreadPoll::KeepAlive(bool alive) {
  if (alive) {
    napi_ref_threadsafe_function(environment_.env(), function_);
  } else {
    napi_unref_threadsafe_function(environment_.env(), function_);
  }
}

void ThreadPoll::Close() {
  callback_ = nullptr;
  stopping_.store(true, std::memory_order_release);
  Signal();
  thread_.join();
  wake_ = UniqueFd();
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

}  // namespace millrace
