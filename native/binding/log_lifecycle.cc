// Opening, closing and deleting a log wait for the disk, so they run on libuv's worker threads and
// settle promises.
#include <algorithm>
#include <iterator>
#include <utility>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "core/embedded/adoption.h"
#include "core/log/log_services.h"

namespace millrace {
namespace {

struct Settings {
  LogConfig config;
  AppendOptions options;
  int64_t flush_ms = 0;
};

// Settings lie in the block from kArgument: segment bytes, segment ms, index interval bytes, index
// bytes, max message bytes, timestamp before max ms, timestamp after max ms, append time, require
// keys, flush ms, uses the reserve.
constexpr size_t kSettings = 11;

std::optional<Settings> ReadSettings(BlockReader& reader) {
  Settings settings;
  settings.config.segment_bytes = reader.Uint32(kArgument);
  settings.config.segment_ms = reader.Saturated(kArgument + 1);
  settings.config.index_interval_bytes = reader.Uint32(kArgument + 2);
  settings.config.segment_index_bytes = reader.Uint32(kArgument + 3);
  settings.options.max_batch_bytes = reader.Uint32(kArgument + 4);
  settings.options.timestamp_before_max_ms = reader.Saturated(kArgument + 5);
  settings.options.timestamp_after_max_ms = reader.Saturated(kArgument + 6);
  if (reader.Flag(kArgument + 7)) settings.options.flags |= kAppendLogAppendTime;
  if (reader.Flag(kArgument + 8)) settings.options.flags |= kAppendRequireKeys;
  settings.flush_ms = reader.Saturated(kArgument + 9);
  settings.config.uses_reserve = reader.Flag(kArgument + 10);
  if (!reader.ok()) return {};
  return settings;
}

class OpenCall : public AsyncCall {
 public:
  OpenCall(Engine& engine, std::string directory, const Settings& settings, const OpenPoint& point,
           RecoverySync sync)
      : AsyncCall(engine, "open the log in " + directory),
        disk_(engine.disk()),
        services_(engine.services()),
        directory_(std::move(directory)),
        settings_(settings),
        point_(point),
        sync_(sync) {}

 private:
  Status Execute() override {
    if (Status status = PrepareAdoption(disk_, directory_, &point_); !status.ok()) return status;
    auto log = Log::Open(disk_, directory_, settings_.config, point_.trust, point_.recovery_point,
                         point_.log_start_offset, &report_, services_, sync_);
    if (!log.ok()) return log.status();
    log_ = std::move(*log);
    return FinishAdoption(disk_, directory_);
  }

  Status Finish(napi_env env, Status status, napi_value* value) override {
    if (!status.ok()) return status;
    Log* log = log_.get();
    // An engine that began to close meanwhile takes the log like any other, and closes it next.
    const std::optional<uint64_t> id =
        engine_.logs().Add(LogEntry{std::move(log_), settings_.options});
    if (!id.has_value()) return Status(Code::kTooManyFiles);
    engine_.flush_pool().Add(*id, log);
    engine_.flush_pool().SetMaxAge(*id, settings_.flush_ms);
    // What recovery found in the page cache is not known to be on the disk.
    if (log->durable_offset() < log->log_end_offset()) engine_.flush_pool().Dirty(*id, 0);
    const double numbers[] = {static_cast<double>(*id),
                              static_cast<double>(report_.log_start_offset),
                              static_cast<double>(report_.log_end_offset),
                              static_cast<double>(report_.segments),
                              static_cast<double>(report_.scanned_bytes),
                              static_cast<double>(report_.indexes_rebuilt),
                              static_cast<double>(report_.cut_bytes),
                              static_cast<double>(report_.cut_from_offset)};
    void* data;
    napi_value buffer;
    if (napi_create_arraybuffer(env, sizeof numbers, &data, &buffer) == napi_ok) {
      std::copy(std::begin(numbers), std::end(numbers), static_cast<double*>(data));
      napi_create_typedarray(env, napi_float64_array, std::size(numbers), buffer, 0, value);
    }
    return Status::Ok();
  }

  Disk& disk_;
  LogServices* const services_;
  const std::string directory_;
  const Settings settings_;
  OpenPoint point_;
  const RecoverySync sync_;
  std::unique_ptr<Log> log_;
  OpenReport report_;
};

// Closes or deletes. The entry stays in the table, empty, until the log is gone: its number finds
// nothing and is not given to another log while a late completion may still carry it.
class GiveUpCall : public AsyncCall {
 public:
  enum class Kind { kClose, kCleanClose, kUnsyncedClose, kDelete };

  GiveUpCall(Engine& engine, double id, LogEntry& entry, Kind kind)
      : AsyncCall(engine, kind == Kind::kDelete ? "delete the log" : "close the log"),
        pool_(engine.flush_pool()),
        id_(id),
        log_(std::move(entry.log)),
        kind_(kind) {}

 private:
  Status Execute() override {
    pool_.Remove(static_cast<uint64_t>(
        id_));  // waits for a running sync, hence not on the environment's thread
    switch (kind_) {
      case Kind::kDelete:
        return log_->Delete();
      case Kind::kUnsyncedClose:
        return log_->CloseUnsynced();
      case Kind::kCleanClose:
      case Kind::kClose:
        break;
    }
    return log_->Close(kind_ == Kind::kCleanClose);
  }
  Status Finish(napi_env, Status status, napi_value*) override {
    engine_.logs().Take(id_);
    return status;
  }

  FlushPool& pool_;  // outlives this call: the engine waits for its calls
  const double id_;
  std::unique_ptr<Log> log_;
  const Kind kind_;
};

// Everything that was written to the file system of the logs below a directory is on the disk.
class SyncCall : public AsyncCall {
 public:
  SyncCall(Engine& engine, std::string directory)
      : AsyncCall(engine, "sync the file system of " + directory),
        disk_(engine.disk()),
        services_(engine.services() != nullptr ? *engine.services() : LogServices::Process()),
        directory_(std::move(directory)) {}

 private:
  Status Execute() override {
    const std::shared_ptr<FileSystem> files = services_.FileSystemOf(disk_, directory_);
    return files != nullptr ? files->Sync() : Status::Ok();
  }
  Status Finish(napi_env, Status status, napi_value*) override { return status; }

  Disk& disk_;
  LogServices& services_;
  const std::string directory_;
};

// openLog(directory): settings, then trust, recovery point, log start offset and whether the first
// flush syncs what recovery found in the block.
// Fulfilled with the log's number and what recovery reports.
napi_value OpenLog(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  auto directory = args.String(0);
  if (!directory || directory->empty()) return ThrowArgument(env, "openLog takes a directory");
  if (!engine.open())
    return ThrowStatus(env, Status(Code::kClosed), "open the log in " + *directory);
  BlockReader reader(engine.block());
  const std::optional<Settings> settings = ReadSettings(reader);
  constexpr size_t kRest = kArgument + kSettings;
  OpenPoint point;
  point.trust = static_cast<OpenTrust>(reader.Integer<int32_t>(kRest, 0, 2));
  point.recovery_point = reader.Int53(kRest + 1);
  point.log_start_offset = reader.Int53(kRest + 2);
  const auto sync = reader.Flag(kRest + 3) ? RecoverySync::kWithFirstFlush : RecoverySync::kNow;
  if (!settings || !reader.ok()) {
    return ThrowStatus(env, Status(Code::kInvalidArgument), "open the log in " + *directory);
  }
  return AsyncCall::Start(
      env, std::make_unique<OpenCall>(engine, std::move(*directory), *settings, point, sync));
}

napi_value GiveUpLog(napi_env env, Engine& engine, std::optional<double> id,
                     GiveUpCall::Kind kind) {
  if (!id) return ThrowArgument(env, "the log is given by its number");
  if (engine.open()) engine.WriteGathered();  // the frames are this thread's
  LogEntry* entry = engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr) {
    return ThrowStatus(env, Status(Code::kClosed),
                       kind == GiveUpCall::Kind::kDelete ? "delete the log" : "close the log");
  }
  engine.Await(*entry, -1);
  return AsyncCall::Start(env, std::make_unique<GiveUpCall>(engine, *id, *entry, kind));
}

// closeLog(log, clean, unsynced)
napi_value CloseLog(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  const auto kind = !args.Boolean(1).value_or(false)  ? GiveUpCall::Kind::kClose
                    : args.Boolean(2).value_or(false) ? GiveUpCall::Kind::kUnsyncedClose
                                                      : GiveUpCall::Kind::kCleanClose;
  return GiveUpLog(env, args.Owner<Engine>(), args.Number(0), kind);
}

// syncFileSystem(directory)
napi_value SyncFileSystem(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  auto directory = args.String(0);
  if (!directory || directory->empty())
    return ThrowArgument(env, "syncFileSystem takes a directory");
  if (!engine.open())
    return ThrowStatus(env, Status(Code::kClosed), "sync the file system of " + *directory);
  return AsyncCall::Start(env, std::make_unique<SyncCall>(engine, std::move(*directory)));
}

// deleteLog(log)
napi_value DeleteLog(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  return GiveUpLog(env, args.Owner<Engine>(), args.Number(0), GiveUpCall::Kind::kDelete);
}

// configureLog: the settings in the block.
napi_value ConfigureLog(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  if (!engine.open()) return ToJs(env, static_cast<int32_t>(Code::kClosed));
  LogEntry* entry = engine.FindLog(engine.block().numbers()[kLog]);
  if (entry == nullptr) return engine.Answer(env, Status(Code::kClosed));
  BlockReader reader(engine.block());
  const std::optional<Settings> settings = ReadSettings(reader);
  if (!settings) return engine.Answer(env, Status(Code::kInvalidArgument));
  entry->options = settings->options;
  entry->log->Configure(settings->config);
  const auto id = static_cast<uint64_t>(engine.block().numbers()[kLog]);
  engine.flush_pool().SetMaxAge(id, settings->flush_ms);
  return engine.Answer(env, Status::Ok());
}

}  // namespace

void AppendLogLifecycle(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  properties.push_back(Method("openLog", OpenLog, engine));
  properties.push_back(Method("closeLog", CloseLog, engine));
  properties.push_back(Method("deleteLog", DeleteLog, engine));
  properties.push_back(Method("syncFileSystem", SyncFileSystem, engine));
  properties.push_back(Method("configureLog", ConfigureLog, engine));
}

}  // namespace millrace
