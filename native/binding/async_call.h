#pragma once

#include <node_api.h>

#include <memory>
#include <string>

#include "core/base/status.h"

namespace millrace {

class Engine;

// One call that waits for the disk: runs on a thread of libuv's pool and settles a promise. The
// engine does not go before its calls have returned.
class AsyncCall {
 public:
  virtual ~AsyncCall() = default;
  // The promise, or null with an exception pending (the call is then gone).
  static napi_value Start(napi_env env, std::unique_ptr<AsyncCall> call);
  // Runs a call that the engine holds (EngineParts::held_calls), on the environment's thread.
  static void RunHeld(napi_env env, std::unique_ptr<AsyncCall> call);
  // Lets go of one that is never to be answered.
  static void DropHeld(std::unique_ptr<AsyncCall> call);

 protected:
  // `action` says in an error what was tried.
  AsyncCall(Engine& engine, std::string action) : engine_(engine), action_(std::move(action)) {}
  // On a pool thread: touches neither JavaScript nor the engine.
  virtual Status Execute() = 0;
  // Back on the environment's thread; may turn success into failure. `*value` is what the promise
  // resolves with.
  virtual Status Finish(napi_env env, Status status, napi_value* value) = 0;

  Engine& engine_;

 private:
  void Settle(napi_env env, napi_status completion);

  std::string action_;
  Status status_{Code::kClosed};    // what a call that was cancelled before it ran answers
  napi_async_work work_ = nullptr;  // null for a held call
  napi_deferred deferred_ = nullptr;
};

}  // namespace millrace
