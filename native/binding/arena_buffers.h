#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

class Transport;

// The transport's arenas as JavaScript sees them: one external ArrayBuffer each, made on first use.
// An arena stays where it is as long as the transport; before that ends, the ArrayBuffers are
// detached: a view that somebody kept has length 0 from then on, and no address that is gone is
// ever read.
//
// Node.js allows external ArrayBuffers; builds with V8's pointer compression cage (Electron) do
// not, and there Get fails with napi_no_external_buffers_allowed.
class ArenaBuffers {
 public:
  // A frame was delivered in this arena. JavaScript may name only such arenas.
  void Know(Transport& transport, uint32_t arena);
  // Memory that takes the place of a transport's, where frames come from no socket. It stays until
  // the engine goes.
  void Lend(uint32_t arena, std::span<std::byte> memory);
  // The requests of the process itself lie in an arena of their own, in memory that JavaScript
  // made.
  static constexpr uint32_t kLocalArena = 0xffffffff;
  // From now on it is `memory`, the bytes of the typed array `bytes`, which is held until
  // DetachAll. False with an exception pending.
  bool LendLocal(napi_env env, napi_value bytes, std::span<std::byte> memory);
  // Empty for a number that no frame came with.
  std::span<std::byte> memory(uint32_t arena) const {
    if (arena == kLocalArena) return local_.memory;
    return arena < entries_.size() ? entries_[arena].memory : std::span<std::byte>();
  }
  // Null with an exception pending; null without one when there is no such arena of the transport.
  napi_value Get(napi_env env, uint32_t arena);
  void DetachAll(napi_env env);

 private:
  struct Entry {
    std::span<std::byte> memory;  // empty: not known
    napi_ref buffer = nullptr;    // null: not asked for
  };

  std::vector<Entry> entries_;  // by arena id; ids are small and dense
  Entry local_;
};

}  // namespace millrace
