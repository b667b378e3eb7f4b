#include "binding/arena_buffers.h"

#include <cstddef>

#include "binding/status_to_js.h"
#include "core/io/transport.h"

namespace millrace {

void ArenaBuffers::Know(Transport& transport, uint32_t arena) {
  if (arena >= entries_.size()) entries_.resize(arena + size_t{1});
  if (entries_[arena].memory.empty()) entries_[arena].memory = transport.arena(arena);
}

void ArenaBuffers::Lend(uint32_t arena, std::span<std::byte> memory) {
  if (arena >= entries_.size()) entries_.resize(arena + size_t{1});
  entries_[arena].memory = memory;
}

bool ArenaBuffers::LendLocal(napi_env env, napi_value bytes, std::span<std::byte> memory) {
  napi_ref held = nullptr;
  if (napi_create_reference(env, bytes, 1, &held) != napi_ok) {
    (void)ThrowStatus(env, Status(Code::kNoMemory), "lend an arena");
    return false;
  }
  if (local_.buffer != nullptr) napi_delete_reference(env, local_.buffer);
  local_ = {memory, held};
  return true;
}

napi_value ArenaBuffers::Get(napi_env env, uint32_t arena) {
  napi_value buffer = nullptr;
  const std::span<std::byte> memory = this->memory(arena);
  if (memory.empty() || arena == kLocalArena) return nullptr;
  Entry& entry = entries_[arena];
  if (entry.buffer != nullptr) {
    napi_get_reference_value(env, entry.buffer, &buffer);
    return buffer;
  }
  const auto keep = [](napi_env, void*, void*) {};  // the memory is the transport's
  const napi_status made =
      napi_create_external_arraybuffer(env, memory.data(), memory.size(), keep, nullptr, &buffer);
  if (made == napi_no_external_buffers_allowed) {
    return ThrowArgument(
        env, "this runtime forbids external ArrayBuffers (V8 pointer compression); use Node.js");
  }
  if (made != napi_ok || napi_create_reference(env, buffer, 1, &entry.buffer) != napi_ok) {
    return ThrowStatus(env, Status(Code::kNoMemory), "share an arena with JavaScript");
  }
  return buffer;
}

void ArenaBuffers::DetachAll(napi_env env) {
  napi_handle_scope scope;
  const bool scoped = napi_open_handle_scope(env, &scope) == napi_ok;
  for (const Entry& entry : entries_) {
    if (entry.buffer == nullptr) continue;
    napi_value buffer = nullptr;
    if (napi_get_reference_value(env, entry.buffer, &buffer) == napi_ok && buffer != nullptr) {
      napi_detach_arraybuffer(env, buffer);
    }
    napi_delete_reference(env, entry.buffer);
  }
  entries_.clear();
  if (local_.buffer != nullptr) napi_delete_reference(env, local_.buffer);
  local_ = {};
  if (scoped) napi_close_handle_scope(env, scope);
}

}  // namespace millrace
