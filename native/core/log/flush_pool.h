#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/base/awake_processors.h"
#include "core/base/status.h"
#include "core/log/log.h"

namespace millrace {

struct FlushPoolOptions {
  int threads = 2;
  int64_t max_age_ms = 100;  // an unflushed byte waits no longer, while the device keeps up
  uint64_t max_unflushed_bytes = 64u << 20;  // per log
  // So long after somebody has begun to wait the processors do not halt, where this process may ask
  // for that: whoever takes part in answering him, and in his next request, is awake. 0: they may.
  int64_t awake_ms = 0;
  const char* awake_device = AwakeProcessors::kDevice;  // another in tests
  // Milliseconds that never go back. Null: the steady clock; without threads, the time of the last
  // RunOnce, so that a simulation's own time is the only one.
  int64_t (*now_ms)() = nullptr;
};

struct FlushCompletion {
  uint64_t log_id;
  Offset durable_offset;
  Code code;  // kOk, or why the log has failed
  int system_error;
};

struct FlushPoolStats {
  uint64_t passes = 0;
  uint64_t syncs = 0;     // calls of Log::Flush
  uint64_t failures = 0;  // of them
  int64_t max_pass_ms = 0;
  // What an unflushed byte waits at most now: max_age_ms, or the length of the last pass over aged
  // and large logs where the device took longer.
  int64_t age_bound_ms = 0;
};

// Group commit for all logs: what arrived while the last sync of a log ran goes down with the next.
// Order of causes: a waiter, age, bytes. The decision thread calls everything but the pool's own
// threads; completions are coalesced per log (only the newest durable offset is kept) and announced
// by one write to `wake_descriptor` until drained.
//
// A pass takes all logs that are due, starts write-back on each, so that the device sees the whole
// amount, and then syncs them, spread over the threads; where they are many, one thread syncs them
// all with their file system. A log is synced by one thread at a time.
class FlushPool {
 public:
  static Result<std::unique_ptr<FlushPool>> Create(const FlushPoolOptions& options);
  virtual ~FlushPool() = default;  // waits for running syncs, starts no new ones

  // `log_id` is not in use; `log` stays alive until Remove has returned.
  virtual void Add(uint64_t log_id, Log* log) = 0;
  // From the next append on: an unflushed byte of this log waits no longer than `max_age_ms`, nor
  // than the pool's own bound.
  virtual void SetMaxAge(uint64_t log_id, int64_t max_age_ms) = 0;
  // Returns once no thread touches the log any more. Its completions that were not drained are
  // gone.
  virtual void Remove(uint64_t log_id) = 0;
  // The log has bytes at or below no durable offset; `bytes` were appended. Cheap: called after
  // every append.
  virtual void Dirty(uint64_t log_id, uint32_t bytes) = 0;
  // Somebody waits for the end of the log as it is now. There will be a completion, also when the
  // log is durable already or has failed.
  virtual void Wait(uint64_t log_id) = 0;
  // Until the next WaitGathered, Wait only notes the log: threads are called once for all of them,
  // when whoever asks has also appended to the others, and one pass takes them together.
  virtual void Gather() = 0;
  virtual void WaitGathered() = 0;
  // Moves completions into `into` and returns how many. `wake_descriptor` (an eventfd that nobody
  // else reads) is readable while some are left.
  virtual size_t Drain(std::span<FlushCompletion> into) = 0;
  virtual int wake_descriptor() const = 0;
  // One pass on the calling thread over everything due at `now_ms` (pools with threads == 0:
  // simulation and tests).
  virtual void RunOnce(int64_t now_ms) = 0;
  virtual FlushPoolStats stats() const = 0;  // any thread
};

}  // namespace millrace
