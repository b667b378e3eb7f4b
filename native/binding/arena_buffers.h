#pragma once

#include <node_api.h>

#include <cstdint>
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
  // Null with an exception pending; null without one when there is no such arena.
  napi_value Get(napi_env env, Transport& transport, uint32_t arena);
  void DetachAll(napi_env env);

 private:
  std::vector<napi_ref>
      buffers_;  // by arena id; null where none was asked for. Ids are small and dense
};

}  // namespace millrace
