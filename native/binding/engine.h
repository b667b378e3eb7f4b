#pragma once

#include <node_api.h>

#include <deque>
#include <memory>
#include <vector>

#include "binding/arena_buffers.h"
#include "binding/delivery.h"
#include "binding/poll_handle.h"
#include "binding/shared_array.h"
#include "binding/slot_table.h"
#include "core/embedded/writer.h"
#include "core/io/transport.h"
#include "core/log/flush_pool.h"
#include "core/log/log.h"

namespace millrace {

class AsyncCall;
class Environment;

// Calls that were begun and wait for somebody to run them.
using HeldCalls = std::deque<std::unique_ptr<AsyncCall>>;

// What an engine works with; all of it outlives the engine.
struct EngineParts {
  Disk& disk;
  LogServices* services = nullptr;  // null: the process's own
  HeldCalls* held_calls = nullptr;  // where a simulation runs calls itself; null: libuv's threads
  FlushPoolOptions flush;
};

// A log that JavaScript holds by number.
struct LogEntry {
  std::unique_ptr<Log>
      log;  // null from the moment a worker thread closes it: the number then finds nothing
  AppendOptions options;  // as the settings ask for; epoch and time come with each call
  Offset awaited =
      -1;  // the end offset whose flush was requested and has not been announced, else -1
  std::unique_ptr<EmbeddedWriter> writer = nullptr;  // of an embedded log; goes before `log`
  uint32_t gathered_bytes = 0;  // of appends that the flush pool hears of once they are written
  bool flush_asked = false;     // and so of somebody who waits for a flush
};

// One storage and at most one transport, driven by the environment's libuv loop. Everything here
// runs on the environment's thread; flush, sender and pool threads never see this object.
//
// Life: open → closing (nothing new begins; calls on worker threads return) → closed (an empty
// shell). When the environment ends first, Abandon() does the same without JavaScript.
class Engine {
 public:
  static constexpr size_t kHeadersPerCall = 256;
  static constexpr size_t kHeaderNumbers = 12;

  // createEngine(flushThreads, maxAgeMs, maxUnflushedBytes, awakeMs): the object whose functions
  // are the addon's surface.
  static napi_value Create(napi_env env, napi_callback_info info);
  // The same over `parts`; null with an exception pending. `*object` is what JavaScript gets.
  static Engine* Make(napi_env env, const EngineParts& parts, napi_value* object);
  ~Engine();

  // The rest is for the functions of log_calls, log_lifecycle and network_calls.
  bool open() const { return state_ == State::kOpen; }
  const SharedArray& block() const { return block_; }
  const SharedArray& headers() const { return headers_; }
  const SharedArray& producer_ids() const { return producer_ids_; }
  Disk& disk() const { return disk_; }
  LogServices* services() const { return services_; }
  HeldCalls* held_calls() const { return held_calls_; }
  SlotTable<LogEntry>& logs() { return logs_; }
  SlotTable<FileRegion>& regions() { return regions_; }
  FlushPool& flush_pool() { return *flush_pool_; }
  Transport* transport() { return transport_.get(); }  // null before start and after stop
  ArenaBuffers& arenas() { return arenas_; }
  std::vector<BatchHeader>& header_scratch() { return header_scratch_; }
  std::vector<ReplyPart>& part_scratch() { return part_scratch_; }

  // The entry of a log that is open; null for any other number.
  LogEntry* FindLog(double id);
  Status StartTransport(const TransportOptions& options);
  void StopTransport();
  void KeepAlive(bool alive);
  // Appends of frames may wait for each other, from now on or no longer. What has waited is written
  // first; a failure is that of any log.
  Status GatherAppends(bool more);
  bool gathers() const { return gathers_; }
  // `bytes` were appended to this log and wait.
  void NoteGathered(double id, LogEntry& entry, uint32_t bytes);
  // What has waited is written; a failure is told by the next GatherAppends.
  void WriteGathered();
  // Somebody waits for what is in this log now.
  void RequestFlush(double id, LogEntry& entry);
  // A flush was requested up to `end`, or is not awaited any more (-1). While any is, the process
  // stays alive.
  void Await(LogEntry& entry, Offset end);
  // Stores errno in the call block and gives the code to JavaScript.
  napi_value Answer(napi_env env, Status status) const;
  // A call on a log was refused. If the log has failed, everybody hears of it as of a failed sync.
  void AnnounceFailure(double id, const Log& log);

  void BeginCall();
  void EndCall();
  void Abandon();
  // Gives JavaScript the flush completions that are there.
  void OnFlushed();

 private:
  enum class State { kOpen, kClosing, kClosed };
  class FinalCall;

  Engine(Environment& environment, const EngineParts& parts)
      : environment_(environment),
        disk_(parts.disk),
        services_(parts.services),
        held_calls_(parts.held_calls) {}
  bool CreateArrays(napi_env env);
  napi_value MakeObject(napi_env env);
  static napi_value OnDeliver(napi_env env, napi_callback_info info);
  static napi_value Close(napi_env env, napi_callback_info info);
  static napi_value Stats(napi_env env, napi_callback_info info);
  void OnTransportReady();
  std::vector<std::unique_ptr<Log>> TakeLogs();
  // Gives back what only an open engine needs.
  void Empty(napi_env env);
  // Everything native that is left, in the order that lets nobody touch what is gone. Any thread;
  // may wait for a sync.
  static void LetGo(std::unique_ptr<FlushPool> pool, std::vector<std::unique_ptr<Log>> logs);

  Environment& environment_;
  Disk& disk_;
  LogServices* const services_;
  HeldCalls* const held_calls_;
  State state_ = State::kOpen;
  bool abandoned_ = false;
  int calls_ = 0;         // on worker threads
  int awaited_logs_ = 0;  // entries with an awaited offset
  bool gathers_ = false;
  Status gather_status_;           // first failure since GatherAppends
  std::vector<double> gathering_;  // logs with gathered bytes
  napi_deferred closed_ = nullptr;

  std::unique_ptr<FlushPool> flush_pool_;
  std::unique_ptr<Transport> transport_;
  PollHandle::Pointer flush_poll_;      // closed before the pool whose descriptor it watches
  PollHandle::Pointer transport_poll_;  // likewise
  SlotTable<LogEntry> logs_;
  SlotTable<FileRegion> regions_;
  ArenaBuffers arenas_;
  Delivery delivery_;
  SharedArray block_;         // CallSlot
  SharedArray headers_;       // ten numbers for each header
  SharedArray producer_ids_;  // BigInt64Array beside it
  // These hold memory only while the engine is open: its shell stays as long as the environment.
  std::vector<Event> events_;
  std::vector<FlushCompletion> completions_;
  std::vector<BatchHeader> header_scratch_;
  std::vector<ReplyPart> part_scratch_;
};

// A property that is a function of this engine.
napi_property_descriptor Method(const char* name, napi_callback call, void* owner);

// Each adds its functions.
void AppendLogCalls(std::vector<napi_property_descriptor>& properties, Engine* engine);
void AppendLogLifecycle(std::vector<napi_property_descriptor>& properties, Engine* engine);
void AppendLogSearch(std::vector<napi_property_descriptor>& properties, Engine* engine);
void AppendNetworkCalls(std::vector<napi_property_descriptor>& properties, Engine* engine);

}  // namespace millrace
