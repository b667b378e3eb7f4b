#include "binding/embedded_calls.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "core/embedded/writer.h"
#include "core/embedded/writer_lock.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr int64_t kMaxOffset = (int64_t{1} << 53) - 1;
// What an open log takes outside of JavaScript's heap, about: pages made ready ahead and buffers.
constexpr int64_t kExternalBytes = 512 << 10;

void ReportMemory(napi_env env, int64_t bytes) {
  int64_t total;
  (void)napi_adjust_external_memory(env, bytes, &total);
}

// The writer of the log that the block names; null when there is none.
struct WriterCall {
  WriterCall(napi_env env, Engine& engine) : env(env), engine(engine) {
    if (engine.open()) entry = engine.FindLog(engine.block().numbers()[kLog]);
    if (entry != nullptr) writer = entry->writer.get();
  }
  napi_value Answer(Status status) const {
    if (!status.ok() && entry != nullptr)
      engine.AnnounceFailure(engine.block().numbers()[kLog], *entry->log);
    return engine.Answer(env, status);
  }
  // After something was appended: what was sealed by it is to be flushed in time.
  void NoteSealed() const {
    const uint64_t sealed = writer->TakeSealedBytes();
    if (sealed == 0) [[likely]]
      return;
    engine.flush_pool().Dirty(static_cast<uint64_t>(engine.block().numbers()[kLog]),
                              static_cast<uint32_t>(std::min<uint64_t>(sealed, UINT32_MAX)));
  }
  // NaN: now.
  std::optional<int64_t> Timestamp() const {
    const double value = engine.block().numbers()[kArgument];
    if (std::isnan(value)) return std::nullopt;
    return static_cast<int64_t>(value);
  }

  napi_env env;
  Engine& engine;
  LogEntry* entry = nullptr;
  EmbeddedWriter* writer = nullptr;
};

class OpenWriterCall : public AsyncCall {
 public:
  OpenWriterCall(Engine& engine, std::string directory, const EmbeddedOptions& options,
                 int64_t flush_ms)
      : AsyncCall(engine, "open the log in " + directory),
        disk_(engine.disk()),
        services_(engine.services()),
        directory_(std::move(directory)),
        options_(options),
        flush_ms_(flush_ms) {}

 private:
  Status Execute() override {
    Result<OpenedLog> opened =
        EmbeddedWriter::Open(disk_, directory_, options_, &report_, services_);
    if (!opened.ok()) return opened.status();
    opened_ = std::move(*opened);
    return Status::Ok();
  }

  Status Finish(napi_env env, Status status, napi_value* value) override {
    if (!status.ok()) return status;
    Log* log = opened_.log.get();
    const Offset compacted = opened_.writer->compacted_offset();
    LogEntry entry{std::move(opened_.log), AppendOptions()};
    entry.writer = std::move(opened_.writer);
    const std::optional<uint64_t> id = engine_.logs().Add(std::move(entry));
    if (!id.has_value()) return Status(Code::kTooManyFiles);
    engine_.flush_pool().Add(*id, log);
    engine_.flush_pool().SetMaxAge(*id, flush_ms_);
    if (log->durable_offset() < log->log_end_offset()) engine_.flush_pool().Dirty(*id, 0);
    ReportMemory(env, kExternalBytes);
    const double numbers[] = {static_cast<double>(*id),
                              static_cast<double>(report_.log_start_offset),
                              static_cast<double>(report_.log_end_offset),
                              static_cast<double>(log->durable_offset()),
                              static_cast<double>(report_.cut_bytes),
                              static_cast<double>(report_.cut_from_offset),
                              static_cast<double>(compacted)};
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
  const EmbeddedOptions options_;
  const int64_t flush_ms_;
  OpenedLog opened_;
  OpenReport report_;
};

// Seals, flushes and lets go. The lock is free when the promise is settled, and the entry stays
// meanwhile, empty, as for any log that is closed.
class CloseWriterCall : public AsyncCall {
 public:
  CloseWriterCall(Engine& engine, double id, LogEntry& entry)
      : AsyncCall(engine, "close the log"),
        pool_(engine.flush_pool()),
        id_(id),
        sealed_(entry.writer->Seal()),
        log_(std::move(entry.log)),
        writer_(std::move(entry.writer)) {}

 private:
  Status Execute() override {
    pool_.Remove(static_cast<uint64_t>(id_));
    Status status = sealed_;
    const Offset start = log_->log_start_offset();
    const Offset end = log_->log_end_offset();
    const Status closed = log_->Close(status.ok());
    if (status.ok()) status = closed;
    if (status.ok()) status = writer_->Finish(start, end);
    writer_.reset();
    log_.reset();
    return status;
  }
  Status Finish(napi_env env, Status status, napi_value*) override {
    engine_.logs().Take(id_);
    ReportMemory(env, -kExternalBytes);
    return status;
  }

  FlushPool& pool_;  // outlives this call: the engine waits for its calls
  const double id_;
  const Status sealed_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<EmbeddedWriter> writer_;
};

// Makes durable that the log will begin at `start`, and below what offset it is compacted; the log
// is used meanwhile, but nobody else puts a checkpoint, nor closes the log.
class CheckpointCall : public AsyncCall {
 public:
  CheckpointCall(Engine& engine, EmbeddedWriter& writer, Offset start, Offset recovery_point,
                 Offset compacted)
      : AsyncCall(engine, "note the start of the log"),
        writer_(writer),
        start_(start),
        recovery_point_(recovery_point),
        compacted_(compacted) {}

 private:
  Status Execute() override { return writer_.PutCheckpoint(start_, recovery_point_, compacted_); }
  Status Finish(napi_env, Status status, napi_value*) override { return status; }

  EmbeddedWriter& writer_;
  const Offset start_;
  const Offset recovery_point_;
  const Offset compacted_;
};

// openWriter(directory): segment bytes, segment ms, seal bytes, flush ms in the block. Fulfilled
// with number, log start, log end, durable end, cut bytes, cut from, compacted below.
napi_value OpenWriter(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  auto directory = args.String(0);
  if (!directory || directory->empty()) return ThrowArgument(env, "openWriter takes a directory");
  if (!engine.open())
    return ThrowStatus(env, Status(Code::kClosed), "open the log in " + *directory);
  BlockReader reader(engine.block());
  EmbeddedOptions options;
  options.log.segment_bytes = reader.Integer<uint32_t>(kArgument, 4096, INT32_MAX);
  options.log.segment_ms = reader.Saturated(kArgument + 1);
  options.seal_bytes = reader.Integer<uint32_t>(kArgument + 2, 64, INT32_MAX);
  const int64_t flush_ms = reader.Saturated(kArgument + 3);
  if (!reader.ok())
    return ThrowStatus(env, Status(Code::kInvalidArgument), "open the log in " + *directory);
  return AsyncCall::Start(
      env, std::make_unique<OpenWriterCall>(engine, std::move(*directory), options, flush_ms));
}

// appendValue(value). It has a result only where it failed: making one takes time.
napi_value AppendValue(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  WriterCall call(env, args.Owner<Engine>());
  const auto value = args.Bytes(0);
  if (!value) return ThrowArgument(env, "appendValue takes a Uint8Array");
  if (call.writer == nullptr) return call.Answer(Status(Code::kClosed));
  const Status status = call.writer->AppendValue(*value);
  call.NoteSealed();
  return status.ok() ? nullptr : call.Answer(status);
}

// appendParts(bytes): timestamp or NaN, then the lengths of key and value (-1: null) and headers,
// all of which lie in `bytes` one behind the other.
napi_value AppendParts(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  WriterCall call(env, args.Owner<Engine>());
  const auto bytes = args.Bytes(0);
  if (!bytes) return ThrowArgument(env, "appendParts takes a Uint8Array");
  if (call.writer == nullptr) return call.Answer(Status(Code::kClosed));
  BlockReader reader(call.engine.block());
  const int32_t lengths[] = {reader.Integer<int32_t>(kArgument + 1, -1, INT32_MAX),
                             reader.Integer<int32_t>(kArgument + 2, -1, INT32_MAX),
                             reader.Integer<int32_t>(kArgument + 3, 0, INT32_MAX)};
  std::span<const std::byte> rest = *bytes;
  std::span<const std::byte> parts[3];
  for (size_t i = 0; i < 3; ++i) {
    const auto length = static_cast<size_t>(std::max(lengths[i], 0));
    if (!reader.ok() || length > rest.size()) return call.Answer(Status(Code::kInvalidArgument));
    parts[i] = rest.first(length);
    rest = rest.subspan(length);
  }
  RecordParts record;
  if (lengths[0] >= 0) record.key = parts[0];
  if (lengths[1] >= 0) record.value = parts[1];
  record.headers = parts[2];
  const Status status = call.writer->Append(record, call.Timestamp());
  call.NoteSealed();
  return call.Answer(status);
}

// appendValues(bytes, lengths): count; the values lie in `bytes` one behind the other. How many
// were appended replaces the count.
napi_value AppendValues(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  WriterCall call(env, args.Owner<Engine>());
  const auto bytes = args.Bytes(0);
  napi_typedarray_type type;
  size_t room;
  void* lengths;
  if (!bytes || args[1] == nullptr ||
      napi_get_typedarray_info(env, args[1], &type, &room, &lengths, nullptr, nullptr) != napi_ok ||
      type != napi_uint32_array) {
    return ThrowArgument(env, "appendValues takes a Uint8Array and a Uint32Array");
  }
  if (call.writer == nullptr) return call.Answer(Status(Code::kClosed));
  BlockReader reader(call.engine.block());
  const uint32_t count = reader.Uint32(kArgument);
  if (!reader.ok() || count > room) return call.Answer(Status(Code::kInvalidArgument));
  size_t appended = 0;
  const Status status =
      call.writer->AppendValues(*bytes, {static_cast<const uint32_t*>(lengths), count}, &appended);
  call.engine.block().numbers()[kArgument] = static_cast<double>(appended);
  call.NoteSealed();
  return call.Answer(status);
}

// sealBatch: the open batch becomes one of the log's; whether a flush follows (1) or not (0).
napi_value SealBatch(napi_env env, napi_callback_info info) {
  WriterCall call(env, CallOwner<Engine>(env, info));
  if (call.writer == nullptr) return call.Answer(Status(Code::kClosed));
  const bool for_flush = call.engine.block().numbers()[kArgument] != 0;
  const Status status = for_flush ? call.writer->SealForFlush() : call.writer->Seal();
  call.NoteSealed();
  call.writer->TellReaders(false);
  return call.Answer(status);
}

// tellReaders: the log's start moved (1), or something became durable (0).
napi_value TellReaders(napi_env env, napi_callback_info info) {
  WriterCall call(env, CallOwner<Engine>(env, info));
  if (call.writer == nullptr) return call.Answer(Status(Code::kClosed));
  call.writer->TellReaders(call.engine.block().numbers()[kArgument] != 0);
  return call.Answer(Status::Ok());
}

// noteStart(log, offset, compacted): a promise, fulfilled when it is durable that the log begins
// there and is compacted below the other.
napi_value NoteStart(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  const auto offset = args.Number(1);
  const auto compacted = args.Number(2);
  LogEntry* entry = id && engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr || entry->writer == nullptr)
    return ThrowStatus(env, Status(Code::kClosed), "note the start of the log");
  const auto sound = [](const std::optional<double>& number) {
    return number && *number >= 0 && *number <= static_cast<double>(kMaxOffset);
  };
  if (!sound(offset) || !sound(compacted))
    return ThrowStatus(env, Status(Code::kOffsetOutOfRange), "note the start of the log");
  const auto start = static_cast<Offset>(*offset);
  const Offset recovery_point = std::max(entry->log->durable_offset(), start);
  return AsyncCall::Start(
      env, std::make_unique<CheckpointCall>(engine, *entry->writer, start, recovery_point,
                                            static_cast<Offset>(*compacted)));
}

// closeWriter(log)
napi_value CloseWriter(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  LogEntry* entry = id && engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr || entry->writer == nullptr)
    return ThrowStatus(env, Status(Code::kClosed), "close the log");
  engine.Await(*entry, -1);
  return AsyncCall::Start(env, std::make_unique<CloseWriterCall>(engine, *id, *entry));
}

// abandonWriter(log): for a log whose user is gone. Lets go of everything before it returns, as the
// end of the process would; waits at most for a sync that is running.
napi_value AbandonWriter(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  LogEntry* entry = id && engine.open() ? engine.FindLog(*id) : nullptr;
  if (entry == nullptr || entry->writer == nullptr) return nullptr;
  engine.Await(*entry, -1);
  (void)entry->writer->Seal();
  engine.flush_pool().Remove(static_cast<uint64_t>(*id));
  (void)entry->log->Close(false);
  engine.logs().Take(*id);
  ReportMemory(env, -kExternalBytes);
  return nullptr;
}

// writerOf(directory): the process that has, or had, a log open for writing; 0: a broker has it as
// a partition; -1: nobody knows.
napi_value WriterOfDirectory(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto directory = args.String(0);
  if (!directory) return ThrowArgument(env, "writerOf takes a directory");
  if (LockAgainstBroker(*directory).status().code() == Code::kLocked) return ToJs(env, 0);
  return ToJs(env, static_cast<int32_t>(WriterOf(JoinPath(*directory, kWriterLockName))));
}

}  // namespace

void AppendEmbeddedCalls(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  const napi_property_descriptor calls[] = {
      Method("openWriter", OpenWriter, engine),       Method("appendValue", AppendValue, engine),
      Method("appendParts", AppendParts, engine),     Method("appendValues", AppendValues, engine),
      Method("sealBatch", SealBatch, engine),         Method("tellReaders", TellReaders, engine),
      Method("noteStart", NoteStart, engine),         Method("closeWriter", CloseWriter, engine),
      Method("abandonWriter", AbandonWriter, engine), Method("writerOf", WriterOfDirectory, engine),
  };
  properties.insert(properties.end(), std::begin(calls), std::end(calls));
}

}  // namespace millrace
