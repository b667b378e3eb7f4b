#include "binding/engine.h"

#include <utility>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/embedded_calls.h"
#include "binding/environment.h"
#include "binding/log_upkeep.h"
#include "binding/status_to_js.h"

namespace millrace {

napi_property_descriptor Method(const char* name, napi_callback call, void* owner) {
  return {name, nullptr, call, nullptr, nullptr, nullptr, napi_default_method, owner};
}

napi_value Engine::Create(napi_env env, napi_callback_info info) {
  CallArgs<4> args(env, info);
  const auto threads = args.Uint32(0);
  const auto max_age_ms = args.Uint32(1);
  const auto max_unflushed = args.Number(2);
  const auto awake_ms = args.Uint32(3);
  if (!threads || !max_age_ms || !max_unflushed || !awake_ms ||
      !(*max_unflushed >= 0 && *max_unflushed < 9e15)) {
    return ThrowArgument(
        env, "createEngine(flushThreads, maxAgeMs, maxUnflushedBytes, awakeMs) takes four counts");
  }
  EngineParts parts{.disk = PosixDisk(), .services = nullptr, .held_calls = nullptr, .flush = {}};
  parts.flush.threads = static_cast<int>(*threads);
  parts.flush.max_age_ms = *max_age_ms;
  parts.flush.max_unflushed_bytes = static_cast<uint64_t>(*max_unflushed);
  parts.flush.awake_ms = *awake_ms;
  napi_value object = nullptr;
  return Make(env, parts, &object) != nullptr ? object : nullptr;
}

Engine* Engine::Make(napi_env env, const EngineParts& parts, napi_value* object) {
  const auto refuse = [env](Status status, const char* action) -> Engine* {
    (void)ThrowStatus(env, status, action);
    return nullptr;
  };
  Environment& environment = *Environment::Of(env);
  std::unique_ptr<Engine> engine(new Engine(environment, parts));  // its constructor is private
  auto pool = FlushPool::Create(parts.flush);
  if (!pool.ok()) return refuse(pool.status(), "start the flush threads");
  engine->flush_pool_ = std::move(*pool);
  auto poll = PollHandle::Open(
      environment, engine->flush_pool_->wake_descriptor(),
      [](void* self) { static_cast<Engine*>(self)->OnFlushed(); }, engine.get());
  if (!poll.ok()) return refuse(poll.status(), "watch the flush threads");
  engine->flush_poll_ = std::move(*poll);
  Engine& kept = environment.AddEngine(std::move(engine));
  *object = kept.CreateArrays(env) ? kept.MakeObject(env) : nullptr;
  return *object != nullptr ? &kept : nullptr;
}

Engine::~Engine() = default;

bool Engine::CreateArrays(napi_env env) {
  events_.resize(Delivery::kMaxEvents);
  completions_.resize(Delivery::kMaxCompletions);
  header_scratch_.resize(kHeadersPerCall);
  return delivery_.Create(env) && block_.Create(env, napi_float64_array, kCallSlots) &&
         headers_.Create(env, napi_float64_array, kHeadersPerCall * kHeaderNumbers) &&
         producer_ids_.Create(env, napi_bigint64_array, kHeadersPerCall);
}

napi_value Engine::MakeObject(napi_env env) {
  std::vector<napi_property_descriptor> properties = {
      Method("onDeliver", OnDeliver, this),
      Method("close", Close, this),
      Method("stats", Stats, this),
  };
  const auto array = [&](const char* name, const SharedArray& shared) {
    properties.push_back(
        {name, nullptr, nullptr, nullptr, nullptr, shared.Value(env), napi_enumerable, nullptr});
  };
  array("block", block_);
  array("events", delivery_.events());
  array("completions", delivery_.completions());
  array("headers", headers_);
  array("producerIds", producer_ids_);
  AppendLogCalls(properties, this);
  AppendLogLifecycle(properties, this);
  AppendLogSearch(properties, this);
  AppendLogUpkeep(properties, this);
  AppendEmbeddedCalls(properties, this);
  AppendNetworkCalls(properties, this);
  napi_value object;
  if (napi_create_object(env, &object) != napi_ok ||
      napi_define_properties(env, object, properties.size(), properties.data()) != napi_ok) {
    return nullptr;
  }
  return object;
}

LogEntry* Engine::FindLog(double id) {
  LogEntry* entry = logs_.Find(id);
  return entry != nullptr && entry->log != nullptr ? entry : nullptr;
}

void Engine::AnnounceFailure(double id, const Log& log) {
  if (log.failed()) flush_pool_->Wait(static_cast<uint64_t>(id));
}

napi_value Engine::Answer(napi_env env, Status status) const {
  block_.numbers()[kSystemError] = status.system_error();
  return ToJs(env, static_cast<int32_t>(status.code()));
}

// onDeliver(callback): `callback(events, completions)` from now on.
napi_value Engine::OnDeliver(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& self = args.Owner<Engine>();
  if (!self.open()) return ThrowStatus(env, Status(Code::kClosed), "listen to the engine");
  if (!self.delivery_.SetCallback(env, args[0]))
    return ThrowArgument(env, "onDeliver takes a function");
  return nullptr;
}

// stats(): a new Float64Array: live regions, open logs, arenas lent to JavaScript… and the
// transport's counters.
napi_value Engine::Stats(napi_env env, napi_callback_info info) {
  Engine& self = CallOwner<Engine>(env, info);
  Transport::Stats io{};
  if (self.transport_ != nullptr) io = self.transport_->stats();
  const uint64_t numbers[] = {
      self.regions_.live(), self.logs_.live(), io.connections,          io.frames,
      io.frame_bytes_held,  io.arena_bytes,    io.replies_queued_bytes, io.bytes_in,
      io.bytes_out,         io.parked,         io.sendfile_bytes};
  napi_value buffer, array;
  void* data;
  constexpr size_t kCount = std::size(numbers);
  if (napi_create_arraybuffer(env, kCount * sizeof(double), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, kCount, buffer, 0, &array) != napi_ok) {
    return nullptr;
  }
  for (size_t index = 0; index < kCount; ++index)
    static_cast<double*>(data)[index] = static_cast<double>(numbers[index]);
  return array;
}

Status Engine::StartTransport(const TransportOptions& options) {
  auto transport = Transport::Create(options);
  if (!transport.ok()) return transport.status();
  auto poll = PollHandle::Open(
      environment_, (*transport)->epoll_descriptor(),
      [](void* self) { static_cast<Engine*>(self)->OnTransportReady(); }, this);
  if (!poll.ok()) return poll.status();
  transport_ = std::move(*transport);
  transport_poll_ = std::move(*poll);
  return Status::Ok();
}

void Engine::StopTransport() {
  WriteGathered();  // frames lie in the transport's memory
  transport_poll_.reset();
  // JavaScript must not keep a view on memory that is about to be unmapped.
  arenas_.DetachAll(environment_.env());
  transport_.reset();
}

Status Engine::GatherAppends(bool more) {
  WriteGathered();
  gathers_ = more;
  return std::exchange(gather_status_, Status::Ok());
}

void Engine::NoteGathered(double id, LogEntry& entry, uint32_t bytes) {
  if (entry.gathered_bytes == 0) gathering_.push_back(id);
  entry.gathered_bytes += bytes;
}

void Engine::WriteGathered() {
  for (const double id : gathering_) {
    LogEntry* entry = FindLog(id);
    if (entry == nullptr) continue;
    const Status status = entry->log->WriteGathered();
    // Also after a failure: some may have been written before.
    flush_pool_->Dirty(static_cast<uint64_t>(id), std::exchange(entry->gathered_bytes, 0));
    if (!status.ok()) {
      AnnounceFailure(id, *entry->log);
      if (gather_status_.ok()) gather_status_ = status;
    }
    if (std::exchange(entry->flush_asked, false)) RequestFlush(id, *entry);
  }
  gathering_.clear();
}

void Engine::RequestFlush(double id, LogEntry& entry) {
  if (entry.gathered_bytes > 0) {
    entry.flush_asked = true;
  } else if (entry.log->needs_flush()) {
    Await(entry, entry.log->log_end_offset());
    flush_pool_->Wait(static_cast<uint64_t>(id));
  }
}

void Engine::KeepAlive(bool alive) {
  if (transport_poll_ != nullptr) transport_poll_->KeepAlive(alive);
}

void Engine::OnTransportReady() {
  const size_t count = transport_->Poll(events_, 0);
  if (count == 0) return;
  // What did not fit waits one loop turn, so that timers and other handles get theirs.
  if (count == events_.size()) transport_poll_->Again();
  for (size_t index = 0; index < count; ++index) {
    const Event& event = events_[index];
    if (event.kind == EventKind::kFrame) arenas_.Know(*transport_, static_cast<uint32_t>(event.a));
  }
  delivery_.Deliver(std::span<const Event>(events_.data(), count));
}

void Engine::OnFlushed() {
  const size_t count = flush_pool_->Drain(completions_);
  if (count == 0) return;
  if (count == completions_.size()) flush_poll_->Again();
  for (size_t index = 0; index < count; ++index) {
    const FlushCompletion& completion = completions_[index];
    LogEntry* entry = logs_.Find(completion.log_id);
    const bool settled = entry != nullptr && (completion.code != Code::kOk ||
                                              completion.durable_offset >= entry->awaited);
    if (settled) Await(*entry, -1);
  }
  delivery_.Deliver(std::span<const FlushCompletion>(completions_.data(), count));
}

void Engine::Await(LogEntry& entry, Offset end) {
  awaited_logs_ += (end >= 0) - (entry.awaited >= 0);
  entry.awaited = end;
  if (flush_poll_ != nullptr) flush_poll_->KeepAlive(awaited_logs_ > 0);
}

// close(): a promise, fulfilled when every file, thread and socket is gone. Logs that are still
// open are let go without a clean close.
napi_value Engine::Close(napi_env env, napi_callback_info info) {
  Engine& self = CallOwner<Engine>(env, info);
  if (!self.open()) return ThrowStatus(env, Status(Code::kClosed), "close the engine");
  napi_value promise;
  if (napi_create_promise(env, &self.closed_, &promise) != napi_ok) return nullptr;
  self.state_ = State::kClosing;
  self.StopTransport();
  self.BeginCall();  // the last EndCall begins the rest, be it this one
  self.EndCall();
  return promise;
}

// Waits for syncs on a worker thread, then tells JavaScript.
class Engine::FinalCall : public AsyncCall {
 public:
  explicit FinalCall(Engine& engine)
      : AsyncCall(engine, "close the engine"),
        pool_(std::move(engine.flush_pool_)),
        logs_(engine.TakeLogs()) {}

 private:
  Status Execute() override {
    LetGo(std::move(pool_), std::move(logs_));
    return Status::Ok();
  }
  Status Finish(napi_env env, Status, napi_value*) override {
    engine_.state_ = State::kClosed;
    engine_.Empty(env);
    napi_value undefined;
    napi_get_undefined(env, &undefined);
    napi_resolve_deferred(env, engine_.closed_, undefined);
    return Status::Ok();
  }

  std::unique_ptr<FlushPool> pool_;
  std::vector<std::unique_ptr<Log>> logs_;
};

void Engine::Empty(napi_env env) {
  delivery_.Release();
  // Not the call block: a call that comes too late still looks for its log there.
  headers_.Release(env);
  producer_ids_.Release(env);
  // An empty list assigned to a vector would leave it its memory.
  events_ = std::vector<Event>();
  completions_ = std::vector<FlushCompletion>();
  header_scratch_ = std::vector<BatchHeader>();
  part_scratch_ = std::vector<ReplyPart>();
}

void Engine::BeginCall() {
  ++calls_;
  environment_.Begin();
}

void Engine::EndCall() {
  if (--calls_ == 0) {
    if (abandoned_) {
      LetGo(std::move(flush_pool_), TakeLogs());
    } else if (state_ == State::kClosing) {
      flush_poll_.reset();
      AsyncCall::Start(environment_.env(), std::make_unique<FinalCall>(*this));
    }
  }
  environment_.End();
}

void Engine::Abandon() {
  if (abandoned_) return;
  abandoned_ = true;
  BeginCall();
  state_ = State::kClosed;
  StopTransport();
  flush_poll_.reset();
  delivery_.Release();
  for (SharedArray* array : {&block_, &headers_, &producer_ids_})
    array->Release(environment_.env());
  EndCall();
}

std::vector<std::unique_ptr<Log>> Engine::TakeLogs() {
  std::vector<std::unique_ptr<Log>> logs;
  logs_.ForEach([&](uint64_t, LogEntry& entry) {
    if (entry.log != nullptr) logs.push_back(std::move(entry.log));
  });
  logs_.Clear();
  regions_.Clear();
  awaited_logs_ = 0;
  return logs;
}

void Engine::LetGo(std::unique_ptr<FlushPool> pool, std::vector<std::unique_ptr<Log>> logs) {
  pool.reset();  // waits for running syncs; no thread but this one knows the logs then
  for (const std::unique_ptr<Log>& log : logs) (void)log->Close(false);
  logs.clear();
}

}  // namespace millrace
