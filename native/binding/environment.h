#pragma once

#include <node_api.h>
#include <uv.h>

#include <memory>
#include <vector>

#include "binding/slot_table.h"
#include "core/base/unique_fd.h"

namespace millrace {

class BoundPass;
class EmbeddedReads;
class Engine;

// What one Node.js environment (the main thread, or a worker thread) has loaded; its instance data.
// Everything in here happens on the environment's thread.
//
// Teardown: Node calls the clean-up hook; every engine lets go; the hook is taken back when the
// last libuv handle is closed and the last asynchronous call has returned, and only then does Node
// free the environment and this object.
class Environment {
 public:
  // Null with a JavaScript exception pending.
  static Environment* Install(napi_env env);
  static Environment* Of(napi_env env);
  ~Environment();

  napi_env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }
  // The runtime's loop cannot wait for descriptors of ours: see PollHandle.
  bool polls_by_threads() const { return polls_by_threads_; }
  // Engines stay until the environment ends, since functions that JavaScript still holds point at
  // them; a closed one is an empty shell.
  Engine& AddEngine(std::unique_ptr<Engine> engine);
  SlotTable<UniqueFd>& locks() { return locks_; }
  SlotTable<std::unique_ptr<BoundPass>>& passes() { return passes_; }
  EmbeddedReads& reads() { return *reads_; }

  // Something that outlives its JavaScript call began or ended.
  void Begin() { ++pending_; }
  void End();

 private:
  Environment(napi_env env, uv_loop_t* loop);
  void TearDown();

  napi_env env_;
  uv_loop_t* loop_;
  const bool polls_by_threads_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::vector<std::unique_ptr<Engine>> engines_;
  SlotTable<UniqueFd> locks_;
  SlotTable<std::unique_ptr<BoundPass>> passes_;
  const std::unique_ptr<EmbeddedReads> reads_;
  int pending_ = 0;
  bool tearing_down_ = false;
};

}  // namespace millrace
