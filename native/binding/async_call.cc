#include "binding/async_call.h"

#include "binding/engine.h"
#include "binding/status_to_js.h"

namespace millrace {

napi_value AsyncCall::Start(napi_env env, std::unique_ptr<AsyncCall> call) {
  napi_value name, promise;
  Engine& engine = call->engine_;
  if (engine.held_calls() != nullptr) {
    if (napi_create_promise(env, &call->deferred_, &promise) != napi_ok)
      return ThrowStatus(env, Status(Code::kNoMemory), call->action_);
    engine.BeginCall();
    engine.held_calls()->push_back(std::move(call));
    return promise;
  }
  const auto execute = [](napi_env, void* data) {
    auto* self = static_cast<AsyncCall*>(data);
    self->status_ = self->Execute();
  };
  const auto complete = [](napi_env env, napi_status completion, void* data) {
    const std::unique_ptr<AsyncCall> self(static_cast<AsyncCall*>(data));
    self->Settle(env, completion);
  };
  if (napi_create_string_utf8(env, "millrace", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_promise(env, &call->deferred_, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, execute, complete, call.get(), &call->work_) !=
          napi_ok) {
    return ThrowStatus(env, Status(Code::kNoMemory), call->action_);
  }
  if (napi_queue_async_work(env, call->work_) != napi_ok) {
    napi_delete_async_work(env, call->work_);
    return ThrowStatus(env, Status(Code::kNoMemory), call->action_);
  }
  engine.BeginCall();
  (void)call.release();  // the completion owns it
  return promise;
}

void AsyncCall::RunHeld(napi_env env, std::unique_ptr<AsyncCall> call) {
  call->status_ = call->Execute();
  call->Settle(env, napi_ok);
}

void AsyncCall::DropHeld(std::unique_ptr<AsyncCall> call) {
  Engine& engine = call->engine_;
  call.reset();
  engine.EndCall();
}

// In an environment that is being torn down the calls into JavaScript below fail, and nobody is
// there to notice.
void AsyncCall::Settle(napi_env env, napi_status) {
  napi_handle_scope scope;
  const bool scoped = napi_open_handle_scope(env, &scope) == napi_ok;
  napi_value value = nullptr;
  const Status outcome = Finish(env, status_, &value);
  if (outcome.ok()) {
    if (value == nullptr) napi_get_undefined(env, &value);
    napi_resolve_deferred(env, deferred_, value);
  } else {
    napi_reject_deferred(env, deferred_, ErrorFromStatus(env, outcome, action_));
  }
  if (work_ != nullptr) napi_delete_async_work(env, work_);
  if (scoped) napi_close_handle_scope(env, scope);
  engine_.EndCall();
}

}  // namespace millrace
