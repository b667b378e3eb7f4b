#include "binding/delivery.h"

namespace millrace {

bool Delivery::Create(napi_env env) {
  env_ = env;
  napi_value name;
  return events_.Create(env, napi_float64_array, kMaxEvents * kEventNumbers) &&
         completions_.Create(env, napi_float64_array, kMaxCompletions * kCompletionNumbers) &&
         napi_create_string_utf8(env, "millrace", NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_async_init(env, nullptr, name, &context_) == napi_ok;
}

bool Delivery::SetCallback(napi_env env, napi_value callback) {
  napi_valuetype type;
  if (callback == nullptr || napi_typeof(env, callback, &type) != napi_ok || type != napi_function)
    return false;
  if (callback_ != nullptr) napi_delete_reference(env, callback_);
  callback_ = nullptr;
  return napi_create_reference(env, callback, 1, &callback_) == napi_ok;
}

void Delivery::Deliver(std::span<const Event> events) {
  double* to = events_.numbers();
  for (const Event& event : events) {
    to[0] = static_cast<double>(event.kind);
    to[1] = static_cast<double>(event.connection);
    to[2] = static_cast<double>(event.a);
    to[3] = static_cast<double>(event.b);
    to[4] = static_cast<double>(event.c);
    to += kEventNumbers;
  }
  Call(events.size(), 0);
}

void Delivery::Deliver(std::span<const FlushCompletion> completions) {
  double* to = completions_.numbers();
  for (const FlushCompletion& completion : completions) {
    to[0] = static_cast<double>(completion.log_id);
    to[1] = static_cast<double>(completion.durable_offset);
    to[2] = static_cast<double>(completion.code);
    to[3] = static_cast<double>(completion.system_error);
    to += kCompletionNumbers;
  }
  Call(0, completions.size());
}

void Delivery::Call(size_t events, size_t completions) {
  if (callback_ == nullptr) return;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value global, callback, arguments[2];
  napi_status called = napi_generic_failure;
  if (napi_get_global(env_, &global) == napi_ok &&
      napi_get_reference_value(env_, callback_, &callback) == napi_ok &&
      napi_create_uint32(env_, static_cast<uint32_t>(events), &arguments[0]) == napi_ok &&
      napi_create_uint32(env_, static_cast<uint32_t>(completions), &arguments[1]) == napi_ok) {
    called = napi_make_callback(env_, context_, global, callback, 2, arguments, nullptr);
  }
  // An exception that left the callback is an uncaught one. (A worker that is being terminated has
  // none to report.)
  bool pending = false;
  if (called != napi_ok && napi_is_exception_pending(env_, &pending) == napi_ok && pending) {
    napi_value exception;
    if (napi_get_and_clear_last_exception(env_, &exception) == napi_ok)
      napi_fatal_exception(env_, exception);
  }
  napi_close_handle_scope(env_, scope);
}

void Delivery::Stop() {
  if (callback_ != nullptr) napi_delete_reference(env_, callback_);
  callback_ = nullptr;
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
}

void Delivery::Release() {
  Stop();
  events_.Release(env_);
  completions_.Release(env_);
}

}  // namespace millrace
