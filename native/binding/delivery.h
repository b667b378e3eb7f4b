#pragma once

#include <node_api.h>

#include <cstddef>
#include <span>

#include "binding/shared_array.h"
#include "core/io/transport.h"
#include "core/log/flush_pool.h"

namespace millrace {

// Calls into JavaScript once per batch: what happened lies packed in two shared arrays, and the
// call says how many entries of each are new. The call is a turn of its own: microtasks and
// nextTicks run before it returns.
class Delivery {
 public:
  // A batch is bounded so that a turn is: 256 small requests take JavaScript about a millisecond.
  static constexpr size_t kMaxEvents = 256;
  static constexpr size_t kMaxCompletions = 256;
  static constexpr size_t kEventNumbers = 6;       // kind, connection, a, b, c, unused
  static constexpr size_t kCompletionNumbers = 4;  // log, durable offset, status, errno

  bool Create(napi_env env);  // false with an exception pending
  bool SetCallback(napi_env env, napi_value callback);
  // Outside any JavaScript frame.
  void Deliver(std::span<const Event> events);
  void Deliver(std::span<const FlushCompletion> completions);
  // No call comes afterwards.
  void Stop();
  void Release();

  const SharedArray& events() const { return events_; }
  const SharedArray& completions() const { return completions_; }

 private:
  void Call(size_t events, size_t completions);

  napi_env env_ = nullptr;
  napi_ref callback_ = nullptr;
  napi_async_context context_ = nullptr;
  SharedArray events_;
  SharedArray completions_;
};

}  // namespace millrace
