// What a broker does with logs between requests: looking at their segments, replacing them by
// cleaned ones, letting idle ones rest, bounding the files that stay open.
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/log_upkeep.h"
#include "binding/status_to_js.h"
#include "core/log/log_services.h"
#include "core/log/replacement.h"

namespace millrace {
namespace {

constexpr size_t kMostSegments = 640;
constexpr size_t kSegmentNumbers = 4;
constexpr rlim_t kFewestIdleFiles = 64;
constexpr rlim_t kMostIdleFiles = 1 << 20;

// listSegments(log, count, times, skip): base offset, size, largest timestamp and file time of each
// in the array of headers, oldest first, behind the first `skip`; how many in kHeaderCount.
napi_value ListSegments(napi_env env, napi_callback_info info) {
  CallArgs<4> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  const auto count = args.Uint32(1);
  const auto times = args.Boolean(2);
  const auto skip = args.Uint32(3);
  if (!id || !count || !times || !skip)
    return ThrowArgument(env, "listSegments takes a log, a count, a boolean and a number to skip");
  if (!engine.open()) return ToJs(env, static_cast<int32_t>(Code::kClosed));
  LogEntry* entry = engine.FindLog(*id);
  if (entry == nullptr) return engine.Answer(env, Status(Code::kClosed));
  static_assert(kMostSegments * kSegmentNumbers <=
                Engine::kHeadersPerCall * Engine::kHeaderNumbers);
  std::vector<SegmentFacts> facts(*skip + std::min<size_t>(*count, kMostSegments));
  const Result<size_t> listed = entry->log->ListSegments(*times, facts);
  if (!listed.ok()) return engine.Answer(env, listed.status());
  const size_t skipped = std::min<size_t>(*skip, *listed);
  double* to = engine.headers().numbers();
  for (const SegmentFacts& segment : std::span(facts).first(*listed).subspan(skipped)) {
    *to++ = static_cast<double>(segment.base_offset);
    *to++ = static_cast<double>(segment.size_bytes);
    *to++ = static_cast<double>(segment.max_timestamp);
    *to++ = static_cast<double>(segment.modified_ms);
  }
  engine.block().numbers()[kHeaderCount] = static_cast<double>(*listed - skipped);
  return engine.Answer(env, Status::Ok());
}

// restLog(log): false when something is left to let go of. A log that is gone has nothing.
napi_value RestLog(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  if (!id) return ThrowArgument(env, "restLog takes a log");
  LogEntry* entry = engine.open() ? engine.FindLog(*id) : nullptr;
  napi_value rested;
  if (napi_get_boolean(env, entry == nullptr || entry->log->Rest(), &rested) != napi_ok)
    return nullptr;
  return rested;
}

// Puts a cleaned segment in the place of others; what has to wait for the disk does so on a worker
// thread, while the log goes on being used.
class ReplaceCall : public AsyncCall {
 public:
  ReplaceCall(Engine& engine, double log, std::shared_ptr<Replacement> replacement)
      : AsyncCall(engine, "replace segments"), replacement_(std::move(replacement)), log_(log) {}

 private:
  Status Execute() override { return replacement_->Commit(); }
  Status Finish(napi_env env, Status, napi_value* value) override {
    LogEntry* entry = engine_.open() ? engine_.FindLog(log_) : nullptr;
    const Status status =
        entry == nullptr ? Status(Code::kClosed) : entry->log->FinishReplacement(*replacement_);
    *value = ToJs(env, static_cast<int32_t>(status.code()));
    return Status::Ok();
  }

  const std::shared_ptr<Replacement> replacement_;
  const double log_;
};

class RemovalsCall : public AsyncCall {
 public:
  RemovalsCall(Engine& engine, std::function<Status()> finish)
      : AsyncCall(engine, "remove segments"), finish_(std::move(finish)) {}

 private:
  Status Execute() override { return finish_(); }
  Status Finish(napi_env env, Status status, napi_value* value) override {
    *value = ToJs(env, static_cast<int32_t>(status.code()));
    return Status::Ok();
  }

  const std::function<Status()> finish_;
};

// replaceSegments(log, base offsets): fulfilled with a status. Then the log has the new segment,
// and finishRemovals has to follow.
napi_value ReplaceSegments(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (!id || args[1] == nullptr ||
      napi_get_typedarray_info(env, args[1], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    return ThrowArgument(env, "replaceSegments takes a log and base offsets");
  }
  LogEntry* entry = engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr) return ThrowStatus(env, Status(Code::kClosed), "replace segments");
  const double* numbers = static_cast<const double*>(data);
  std::vector<Offset> bases;
  for (size_t i = 0; i < length; ++i) {
    if (!(numbers[i] >= 0 && numbers[i] < 9007199254740992.0))
      return ThrowArgument(env, "replaceSegments takes base offsets");
    bases.push_back(static_cast<Offset>(numbers[i]));
  }
  auto replacement = entry->log->BeginReplacement(bases);
  if (!replacement.ok()) return ThrowStatus(env, replacement.status(), "replace segments");
  return AsyncCall::Start(env, std::make_unique<ReplaceCall>(engine, *id, *replacement));
}

// finishRemovals(log): fulfilled with a status when files that are no longer the log's are gone.
napi_value FinishRemovals(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  LogEntry* entry = id && engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr) return ThrowStatus(env, Status(Code::kClosed), "remove segments");
  return AsyncCall::Start(env,
                          std::make_unique<RemovalsCall>(engine, entry->log->PendingRemovals()));
}

// keepFree(bytes): logs that may not use the reserve refuse appends that would leave less.
napi_value KeepFree(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto bytes = args.Number(0);
  if (!bytes || !(*bytes >= 0 && *bytes < 9e15))
    return ThrowArgument(env, "keepFree takes a count of bytes");
  LogServices* services = engine.services();
  (services != nullptr ? *services : LogServices::Process())
      .KeepFree(static_cast<uint64_t>(*bytes));
  return nullptr;
}

// limitOpenFiles(reserved): of the descriptors that are not reserved a quarter may stay open
// although nobody uses them; five eighths are for logs being written, which is how many may be; the
// rest is for readers and syncs. At least half of all counts as not reserved, and nine tenths where
// more are reserved than there are, which says that nobody knows how many will be needed.
napi_value LimitOpenFiles(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto reserved = args.Number(0);
  if (!reserved || !(*reserved >= 0)) return ThrowArgument(env, "limitOpenFiles takes a count");
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return ThrowStatus(env, Status::FromErrno(errno), "ask for the limit of open files");
  const rlim_t all = limit.rlim_cur;
  const rlim_t half = all / 2;
  const rlim_t others = *reserved >= static_cast<double>(all)   ? all / 10
                        : *reserved < static_cast<double>(half) ? static_cast<rlim_t>(*reserved)
                                                                : half;
  const rlim_t ours = all - others;
  const rlim_t idle = std::clamp(ours / 4, kFewestIdleFiles, kMostIdleFiles);
  LogServices::Process().files().SetCapacity(static_cast<size_t>(idle));
  return ToJs(env, static_cast<double>(std::max(ours / 8 * 5, kFewestIdleFiles)));
}

}  // namespace

void AppendLogUpkeep(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  properties.push_back(Method("listSegments", ListSegments, engine));
  properties.push_back(Method("restLog", RestLog, engine));
  properties.push_back(Method("replaceSegments", ReplaceSegments, engine));
  properties.push_back(Method("finishRemovals", FinishRemovals, engine));
  properties.push_back(Method("keepFree", KeepFree, engine));
}

void AppendFileLimit(std::vector<napi_property_descriptor>& properties) {
  properties.push_back(Method("limitOpenFiles", LimitOpenFiles, nullptr));
}

}  // namespace millrace
