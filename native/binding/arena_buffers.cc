#include "binding/arena_buffers.h"

#include <cstddef>

#include "binding/status_to_js.h"
#include "core/io/transport.h"

namespace millrace {

napi_value ArenaBuffers::Get(napi_env env, Transport& transport, uint32_t arena) {
  napi_value buffer = nullptr;
  if (arena < buffers_.size() && buffers_[arena] != nullptr) {
    napi_get_reference_value(env, buffers_[arena], &buffer);
    return buffer;
  }
  const std::span<std::byte> memory = transport.arena(arena);
  if (memory.empty()) return nullptr;
  const auto keep = [](napi_env, void*, void*) {};  // the memory is the transport's
  const napi_status made =
      napi_create_external_arraybuffer(env, memory.data(), memory.size(), keep, nullptr, &buffer);
  if (made == napi_no_external_buffers_allowed) {
    return ThrowArgument(
        env, "this runtime forbids external ArrayBuffers (V8 pointer compression); use Node.js");
  }
  napi_ref reference;
  if (made != napi_ok || napi_create_reference(env, buffer, 1, &reference) != napi_ok) {
    return ThrowStatus(env, Status(Code::kNoMemory), "share an arena with JavaScript");
  }
  if (arena >= buffers_.size()) buffers_.resize(arena + size_t{1});
  buffers_[arena] = reference;
  return buffer;
}

void ArenaBuffers::DetachAll(napi_env env) {
  napi_handle_scope scope;
  const bool scoped = napi_open_handle_scope(env, &scope) == napi_ok;
  for (const napi_ref reference : buffers_) {
    if (reference == nullptr) continue;
    napi_value buffer = nullptr;
    if (napi_get_reference_value(env, reference, &buffer) == napi_ok && buffer != nullptr) {
      napi_detach_arraybuffer(env, buffer);
    }
    napi_delete_reference(env, reference);
  }
  buffers_.clear();
  if (scoped) napi_close_handle_scope(env, scope);
}

}  // namespace millrace
