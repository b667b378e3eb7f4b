// Engines on simulated disks. Nothing happens by itself there: calls that wait for the disk are
// held until JavaScript runs one, and the flush pool has no threads but the caller's.
#include <memory>
#include <utility>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "test/addon/sim_calls.h"

namespace millrace::test {
namespace {

// An engine and its held calls; stays as long as the engine's functions do, for ever.
struct SimEngine {
  napi_env env;
  Engine* engine = nullptr;  // null once it was abandoned
  HeldCalls held;
};

// heldCalls(): how many.
napi_value CountHeldCalls(napi_env env, napi_callback_info info) {
  return ToJs(env, static_cast<double>(CallOwner<SimEngine>(env, info).held.size()));
}

// runHeldCall(index): settles its promise.
napi_value RunHeldCall(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  SimEngine& self = args.Owner<SimEngine>();
  const auto index = args.Uint32(0);
  if (!index || *index >= self.held.size())
    return ThrowArgument(env, "runHeldCall takes the index of a held call");
  std::unique_ptr<AsyncCall> call = std::move(self.held[*index]);
  self.held.erase(self.held.begin() + *index);
  AsyncCall::RunHeld(env, std::move(call));
  return nullptr;
}

// flushOnce(nowMs): one pass of the flush pool; how many logs it synced. What came of it is
// delivered before it returns.
napi_value FlushOnce(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  SimEngine& self = args.Owner<SimEngine>();
  if (self.engine == nullptr || !self.engine->open()) return ToJs(env, 0);
  FlushPool& pool = self.engine->flush_pool();
  const uint64_t before = pool.stats().syncs;
  pool.RunOnce(static_cast<int64_t>(args.Number(0).value_or(0)));
  return ToJs(env, static_cast<double>(pool.stats().syncs - before));
}

// lendArena(arena, bytes): where the frames of this number lie. JavaScript keeps the bytes.
napi_value LendArena(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  SimEngine& self = args.Owner<SimEngine>();
  const auto arena = args.Uint32(0);
  const auto bytes = args.Bytes(1);
  if (!arena || !bytes) return ThrowArgument(env, "lendArena takes a number and a Uint8Array");
  if (self.engine != nullptr) self.engine->arenas().Lend(*arena, *bytes);
  return nullptr;
}

// abandon(): the process has died: nothing is answered any more, nothing is closed cleanly.
napi_value Abandon(napi_env env, napi_callback_info info) {
  SimEngine& self = CallOwner<SimEngine>(env, info);
  Engine* engine = std::exchange(self.engine, nullptr);
  if (engine == nullptr) return nullptr;
  engine->Abandon();
  while (!self.held.empty()) {
    std::unique_ptr<AsyncCall> call = std::move(self.held.front());
    self.held.pop_front();
    AsyncCall::DropHeld(std::move(call));
  }
  return nullptr;
}

// createSimEngine(disk, maxAgeMs, maxUnflushedBytes)
napi_value CreateSimEngine(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  SimMachine* machine = FindMachine(env, args.Owner<SimTables>(), args.Number(0));
  if (machine == nullptr) return nullptr;
  SimEngine* self = std::make_unique<SimEngine>().release();
  self->env = env;
  EngineParts parts{.disk = *machine->disk,
                    .services = &machine->services,
                    .held_calls = &self->held,
                    .flush = {}};
  parts.flush.threads = 0;
  parts.flush.max_age_ms = static_cast<int64_t>(args.Number(1).value_or(100));
  parts.flush.max_unflushed_bytes = static_cast<uint64_t>(args.Number(2).value_or(0));
  napi_value object = nullptr;
  self->engine = Engine::Make(env, parts, &object);
  if (self->engine == nullptr) return nullptr;
  const napi_property_descriptor properties[] = {
      Method("heldCalls", CountHeldCalls, self), Method("runHeldCall", RunHeldCall, self),
      Method("flushOnce", FlushOnce, self), Method("lendArena", LendArena, self),
      Method("abandon", Abandon, self)};
  if (napi_define_properties(env, object, std::size(properties), properties) != napi_ok)
    return nullptr;
  return object;
}

}  // namespace

void AppendSimEngine(std::vector<napi_property_descriptor>& properties, SimTables* tables) {
  properties.push_back(Method("createSimEngine", CreateSimEngine, tables));
}

}  // namespace millrace::test
