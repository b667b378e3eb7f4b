// The functions on an open log that answer at once. Arguments and results go through the call
// block; each returns a status number and throws only for arguments that the typed surface cannot
// produce.
#include <algorithm>
#include <iterator>
#include <utility>

#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"

namespace millrace {
namespace {

constexpr int64_t kMaxOffset = (int64_t{1} << 53) - 1;

// Engine, block and log of one call.
struct LogCall {
  LogCall(napi_env env, Engine& engine) : env(env), engine(engine), reader(engine.block()) {
    if (engine.open()) entry = engine.FindLog(engine.block().numbers()[kLog]);
  }
  LogCall(napi_env env, napi_callback_info info) : LogCall(env, CallOwner<Engine>(env, info)) {}

  bool ready() const { return entry != nullptr; }
  // What a call answers that found no log, or arguments that are no integers of their range.
  napi_value Refuse() const {
    if (!engine.open()) return ToJs(env, static_cast<int32_t>(Code::kClosed));
    return Answer(Status(entry == nullptr ? Code::kClosed : Code::kInvalidArgument));
  }
  napi_value Answer(Status status) const {
    if (!status.ok() && entry != nullptr) engine.AnnounceFailure(numbers()[kLog], *entry->log);
    return engine.Answer(env, status);
  }
  double* numbers() const { return engine.block().numbers(); }
  Offset OffsetAt(size_t slot) { return reader.Integer<int64_t>(slot, 0, kMaxOffset); }

  napi_env env;
  Engine& engine;
  BlockReader reader;
  LogEntry* entry = nullptr;
};

// The bytes of a frame, or nothing when they do not lie in an arena.
std::optional<std::span<std::byte>> FrameBytes(LogCall& call) {
  const uint32_t arena = call.reader.Uint32(kArgument);
  const uint64_t position = call.reader.Uint32(kArgument + 1);
  const uint64_t length = call.reader.Uint32(kArgument + 2);
  const std::span<std::byte> memory = call.engine.arenas().memory(arena);
  if (!call.reader.ok() || position + length > memory.size()) return {};
  return memory.subspan(position, length);
}

// lendLocalArena(bytes): the requests of this process lie there, in the arena of the number
// ArenaBuffers::kLocalArena.
napi_value LendLocalArena(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto bytes = args.Bytes(0);
  if (!bytes) return ThrowArgument(env, "lendLocalArena takes a Uint8Array");
  if (!engine.open()) return ThrowStatus(env, Status(Code::kClosed), "lend an arena");
  (void)engine.arenas().LendLocal(env, args[0], *bytes);
  return nullptr;
}

// Index, kind and timestamp of each, where the headers of other calls go.
void StoreFaults(const Engine& engine, std::span<const RecordFault> faults) {
  static_assert(kMaxRecordFaults * 3 <= Engine::kHeadersPerCall * Engine::kHeaderNumbers);
  double* to = engine.headers().numbers();
  for (const RecordFault& fault : faults) {
    *to++ = fault.index;
    *to++ = static_cast<double>(fault.kind);
    *to++ = static_cast<double>(fault.timestamp);
  }
}

void StoreAppended(const LogCall& call, const Appended& appended) {
  double* to = call.numbers();
  to[kBaseOffset] = static_cast<double>(appended.base_offset);
  to[kLastOffset] = static_cast<double>(appended.last_offset);
  to[kMaxTimestamp] = static_cast<double>(appended.max_timestamp);
  to[kFirstBadRecord] = appended.first_bad_record;
  to[kRolled] = appended.rolled ? 1 : 0;
  to[kGathered] = appended.gathered ? 1 : 0;
  to[kFaultCount] = static_cast<double>(appended.faults.size());
  if (!appended.faults.empty()) [[unlikely]]
    StoreFaults(call.engine, appended.faults);
}

napi_value Append(LogCall& call, std::span<std::byte> batch, const AppendOptions& options) {
  Appended appended;
  const Status status = call.entry->log->Append(batch, options, &appended);
  StoreAppended(call, appended);
  const double log = call.numbers()[kLog];
  const auto bytes = static_cast<uint32_t>(batch.size());
  if (appended.gathered) {
    call.engine.NoteGathered(log, *call.entry, bytes);
  } else if (status.ok()) {
    call.engine.flush_pool().Dirty(static_cast<uint64_t>(log), bytes);
  }
  return call.Answer(status);
}

// The options of a log for one batch from the network; slots 3 to 5: leader epoch, now, whether
// what it unfolds to was checked.
AppendOptions FrameOptions(LogCall& call) {
  AppendOptions options = call.entry->options;
  options.leader_epoch = call.reader.Int32(kArgument + 3);
  options.now_ms = call.reader.Int53(kArgument + 4);
  if (call.reader.Flag(kArgument + 5)) options.flags |= kAppendCheckedInside;
  return options;
}

// appendFrame: arena, position, length, FrameOptions, and whether it may wait for gatherAppends.
napi_value AppendFrame(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const std::optional<std::span<std::byte>> batch = FrameBytes(call);
  AppendOptions options = FrameOptions(call);
  if (!batch.has_value() || !call.reader.ok()) return call.Refuse();
  // Who has lent an arena writes to it again as soon as this returns.
  const bool stays = call.numbers()[kArgument] != ArenaBuffers::kLocalArena;
  if (stays && call.engine.gathers() && call.reader.Flag(kArgument + 6))
    options.flags |= kAppendGather;
  return Append(call, *batch, options);
}

// gatherAppends(more): what frames have given to logs is written; from now on it may wait for the
// next such call, or not.
napi_value GatherAppends(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto more = args.Boolean(0);
  if (!more) return ThrowArgument(env, "gatherAppends takes a boolean");
  if (!engine.open()) return ToJs(env, static_cast<int32_t>(Code::kClosed));
  return engine.Answer(env, engine.GatherAppends(*more));
}

// writeGathered: what this log has gathered.
napi_value WriteGathered(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  return call.Answer(call.entry->log->WriteGathered());
}

// takeLoss: see Log.
napi_value TakeLoss(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  return call.Answer(call.entry->log->TakeLoss());
}

// validateFrame: arena, position, length, and FrameOptions.
napi_value ValidateFrame(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const std::optional<std::span<std::byte>> batch = FrameBytes(call);
  const AppendOptions options = FrameOptions(call);
  if (!batch.has_value() || !call.reader.ok()) return call.Refuse();
  Appended verdict;
  const Status status = call.entry->log->Validate(*batch, options, &verdict);
  StoreAppended(call, verdict);
  return call.Answer(status);
}

// checkUnfolded(records): arena, position, length, and FrameOptions. `records` is what the batch
// there unfolds to; its max timestamp is corrected in place.
napi_value CheckUnfoldedFrame(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  LogCall call(env, args.Owner<Engine>());
  const auto records = args.Bytes(0);
  if (!records) return ThrowArgument(env, "checkUnfolded takes a Uint8Array");
  if (!call.ready()) return call.Refuse();
  const std::optional<std::span<std::byte>> batch = FrameBytes(call);
  const AppendOptions options = FrameOptions(call);
  if (!batch.has_value() || !call.reader.ok()) return call.Refuse();
  Appended verdict;
  const Status status = CheckUnfolded(*batch, *records, options, &verdict);
  StoreAppended(call, verdict);
  return call.Answer(status);
}

// appendBytes(batch): (unused) ×3, leader epoch, now. The batch is stamped in place.
napi_value AppendBytes(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  LogCall call(env, args.Owner<Engine>());
  const auto batch = args.Bytes(0);
  if (!batch) return ThrowArgument(env, "appendBytes takes a Uint8Array");
  if (!call.ready()) return call.Refuse();
  AppendOptions options = call.entry->options;
  options.flags |= kAppendInternal;
  options.leader_epoch = call.reader.Int32(kArgument + 3);
  options.now_ms = call.reader.Int53(kArgument + 4);
  if (!call.reader.ok()) return call.Refuse();
  return Append(call, *batch, options);
}

// readLog: offset, max bytes, limit, whole first batch. A region that is not empty is pinned under
// a number. What would wait for the disk is left to readColdLog.
napi_value ReadLog(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const int64_t offset = call.reader.Int53(kArgument);
  const int64_t max_bytes = call.reader.Integer<int64_t>(kArgument + 1, 0, kMaxOffset);
  const int64_t limit = call.reader.Int53(kArgument + 2);
  if (!call.reader.ok()) return call.Refuse();
  double* to = call.numbers();
  to[kRegion] = to[kRegionLength] = to[kRegionEnd] = 0;
  auto region = call.entry->log->Read(offset, static_cast<uint64_t>(max_bytes), limit,
                                      call.reader.Flag(kArgument + 3));
  if (!region.ok()) return call.Answer(region.status());
  const uint64_t length = region->length();
  if (length == 0) return call.Answer(Status::Ok());
  to[kRegionEnd] = static_cast<double>(region->end_offset());
  const std::optional<uint64_t> id = call.engine.regions().Add(std::move(*region));
  if (!id.has_value()) return call.Answer(Status(Code::kNoMemory));
  to[kRegion] = static_cast<double>(*id);
  to[kRegionLength] = static_cast<double>(length);
  return call.Answer(Status::Ok());
}

// readHeaders: from, limit, count; at most as many as the shared array holds.
napi_value ReadHeaders(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const Offset from = call.OffsetAt(kArgument);
  const Offset limit = call.OffsetAt(kArgument + 1);
  const uint32_t wanted = call.reader.Uint32(kArgument + 2);
  if (!call.reader.ok()) return call.Refuse();
  std::span<BatchHeader> headers(call.engine.header_scratch());
  headers = headers.first(std::min<size_t>(wanted, headers.size()));
  const Result<size_t> count = call.entry->log->ReadHeaders(from, limit, headers);
  if (!count.ok()) return call.Answer(count.status());
  double* to = call.engine.headers().numbers();
  for (size_t index = 0; index < *count; ++index) {
    const BatchHeader& header = headers[index];
    const double fields[] = {
        static_cast<double>(header.base_offset),    static_cast<double>(header.last_offset),
        static_cast<double>(header.base_timestamp), static_cast<double>(header.max_timestamp),
        static_cast<double>(header.producer_epoch), static_cast<double>(header.base_sequence),
        static_cast<double>(header.record_count),   static_cast<double>(header.leader_epoch),
        static_cast<double>(header.attributes),     static_cast<double>(header.size_bytes),
        static_cast<double>(header.control_type),   static_cast<double>(header.coordinator_epoch)};
    static_assert(std::size(fields) == Engine::kHeaderNumbers);
    to = std::copy(std::begin(fields), std::end(fields), to);
    call.engine.producer_ids().integers()[index] = header.producer_id;
  }
  call.numbers()[kHeaderCount] = static_cast<double>(*count);
  return call.Answer(Status::Ok());
}

// What was awaited may be gone with the bytes behind it, and then nobody would ever announce it.
napi_value AfterCut(LogCall& call, Status status) {
  if (call.entry->awaited > call.entry->log->log_end_offset()) call.engine.Await(*call.entry, -1);
  return call.Answer(status);
}

// truncateLog: offset.
napi_value TruncateLog(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const Offset offset = call.OffsetAt(kArgument);
  if (!call.reader.ok()) return call.Refuse();
  return AfterCut(call, call.entry->log->TruncateTo(offset));
}

// resetLog: offset.
napi_value ResetLog(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const Offset offset = call.OffsetAt(kArgument);
  if (!call.reader.ok()) return call.Refuse();
  const Status status = call.entry->log->ResetTo(offset);
  if (status.ok()) call.engine.Await(*call.entry, -1);
  return call.Answer(status);
}

// advanceLogStart: offset.
napi_value AdvanceLogStart(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const Offset offset = call.OffsetAt(kArgument);
  if (!call.reader.ok()) return call.Refuse();
  return call.Answer(call.entry->log->AdvanceStart(offset));
}

napi_value RollLog(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  return call.Answer(call.entry->log->Roll());
}

napi_value RequestFlush(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  call.engine.RequestFlush(call.numbers()[kLog], *call.entry);
  return call.Answer(Status::Ok());
}

// gatherFlushes(on): while it is on, requestFlush notes logs; off asks for the flushes of all of
// them.
napi_value GatherFlushes(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  if (!engine.open()) return nullptr;
  if (args.Boolean(0).value_or(false)) {
    engine.flush_pool().Gather();
  } else {
    engine.flush_pool().WaitGathered();
  }
  return nullptr;
}

// logState: start, end, durable, size, active base offset, all at one moment.
napi_value LogState(napi_env env, napi_callback_info info) {
  LogCall call(env, info);
  if (!call.ready()) return call.Refuse();
  const Log& log = *call.entry->log;
  double* to = call.numbers();
  to[kLogStart] = static_cast<double>(log.log_start_offset());
  to[kLogEnd] = static_cast<double>(log.log_end_offset());
  to[kDurable] = static_cast<double>(log.durable_offset());
  to[kSizeBytes] = static_cast<double>(log.size_bytes());
  to[kActiveBase] = static_cast<double>(log.active_base_offset());
  return call.Answer(Status::Ok());
}

// readRegion(region, from, into): bytes copied; fewer than asked at the region's end.
napi_value ReadRegion(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto id = args.Number(0);
  const auto from = args.Uint32(1);
  const auto into = args.Bytes(2);
  if (!id || !from || !into)
    return ThrowArgument(env, "readRegion takes a region, a position and a Uint8Array");
  const FileRegion* region = engine.regions().Find(*id);
  if (region == nullptr) return ThrowStatus(env, Status(Code::kClosed), "read a region");
  const Result<size_t> count = region->Read(*from, *into);
  if (!count.ok()) return ThrowStatus(env, count.status(), "read a region");
  return ToJs(env, static_cast<double>(*count));
}

// releaseRegion(region)
napi_value ReleaseRegion(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto id = args.Number(0);
  if (!id) return ThrowArgument(env, "releaseRegion takes a region");
  if (!args.Owner<Engine>().regions().Take(*id))
    return ThrowStatus(env, Status(Code::kClosed), "release a region");
  return nullptr;
}

}  // namespace

void AppendLogCalls(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  const napi_property_descriptor calls[] = {
      Method("lendLocalArena", LendLocalArena, engine),
      Method("gatherAppends", GatherAppends, engine),
      Method("writeGathered", WriteGathered, engine),
      Method("takeLoss", TakeLoss, engine),
      Method("appendFrame", AppendFrame, engine),
      Method("appendBytes", AppendBytes, engine),
      Method("validateFrame", ValidateFrame, engine),
      Method("checkUnfolded", CheckUnfoldedFrame, engine),
      Method("readLog", ReadLog, engine),
      Method("readHeaders", ReadHeaders, engine),
      Method("truncateLog", TruncateLog, engine),
      Method("resetLog", ResetLog, engine),
      Method("advanceLogStart", AdvanceLogStart, engine),
      Method("rollLog", RollLog, engine),
      Method("requestFlush", RequestFlush, engine),
      Method("gatherFlushes", GatherFlushes, engine),
      Method("logState", LogState, engine),
      Method("readRegion", ReadRegion, engine),
      Method("releaseRegion", ReleaseRegion, engine),
  };
  properties.insert(properties.end(), std::begin(calls), std::end(calls));
}

}  // namespace millrace
