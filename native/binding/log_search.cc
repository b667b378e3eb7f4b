// Reads and searches that may wait for the disk: on libuv's worker threads, over a view of the log,
// settling promises with plain numbers. A log that is closed meanwhile answers kClosed.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "binding/async_call.h"
#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"
#include "core/log/log_view.h"

namespace millrace {
namespace {

// A read looks into the segment of its offset. Behind holes that compaction left, into the next.
constexpr size_t kSegmentsPerRead = 8;

napi_value Numbers(napi_env env, std::span<const double> numbers) {
  napi_value buffer, array;
  void* data;
  if (napi_create_arraybuffer(env, numbers.size_bytes(), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &array) != napi_ok)
    return nullptr;
  std::copy(numbers.begin(), numbers.end(), static_cast<double*>(data));
  return array;
}

class ViewCall : public AsyncCall {
 protected:
  ViewCall(Engine& engine, double log, std::unique_ptr<LogView> view)
      : AsyncCall(engine, "read the log"), view_(std::move(view)), log_(log) {}

  Status Finish(napi_env env, Status status, napi_value* value) override {
    LogEntry* entry = engine_.open() ? engine_.FindLog(log_) : nullptr;
    status = entry == nullptr ? Status(Code::kClosed) : entry->log->Learn(*view_, status);
    if (!status.ok() && entry != nullptr) engine_.AnnounceFailure(log_, *entry->log);
    *value = Answer(env, status);
    return Status::Ok();
  }
  // What the promise is fulfilled with; the status and errno come first.
  virtual napi_value Answer(napi_env env, Status status) = 0;

  const std::unique_ptr<LogView> view_;

 private:
  const double log_;
};

class ReadCall : public ViewCall {
 public:
  ReadCall(Engine& engine, double log, std::unique_ptr<LogView> view, Offset offset,
           uint64_t max_bytes, Offset limit, bool whole_first_batch)
      : ViewCall(engine, log, std::move(view)),
        offset_(offset),
        max_bytes_(max_bytes),
        limit_(limit),
        whole_first_batch_(whole_first_batch) {}

 private:
  Status Execute() override {
    auto region = view_->Read(offset_, max_bytes_, limit_, whole_first_batch_);
    if (!region.ok()) return region.status();
    region_ = std::move(*region);
    return Status::Ok();
  }
  napi_value Answer(napi_env env, Status status) override {
    double numbers[] = {0, 0, 0, 0, 0};
    if (status.ok() && region_.length() > 0) {
      numbers[3] = static_cast<double>(region_.length());
      numbers[4] = static_cast<double>(region_.end_offset());
      if (const auto id = engine_.regions().Add(std::move(region_)); id.has_value()) {
        numbers[2] = static_cast<double>(*id);
      } else {
        status = Status(Code::kNoMemory);
      }
    }
    numbers[0] = static_cast<int32_t>(status.code());
    numbers[1] = status.system_error();
    return Numbers(env, numbers);
  }

  const Offset offset_;
  const uint64_t max_bytes_;
  const Offset limit_;
  const bool whole_first_batch_;
  FileRegion region_;
};

// The first record at or after a time, or with `timestamp` below 0 the one with the largest.
class SearchCall : public ViewCall {
 public:
  SearchCall(Engine& engine, double log, std::unique_ptr<LogView> view, int64_t timestamp,
             Offset from, Offset limit)
      : ViewCall(engine, log, std::move(view)), timestamp_(timestamp), from_(from), limit_(limit) {}

 private:
  Status Execute() override {
    const auto found = timestamp_ < 0 ? view_->FindMaxTimestamp(from_, limit_)
                                      : view_->FindTimestamp(timestamp_, from_, limit_);
    if (!found.ok()) return found.status();
    found_ = *found;
    return Status::Ok();
  }
  napi_value Answer(napi_env env, Status status) override {
    const double numbers[] = {
        static_cast<double>(status.code()),       static_cast<double>(status.system_error()),
        static_cast<double>(found_.offset),       static_cast<double>(found_.timestamp),
        static_cast<double>(found_.leader_epoch), found_.in_compressed_batch ? 1.0 : 0.0};
    return Numbers(env, numbers);
  }

  const int64_t timestamp_;
  const Offset from_;
  const Offset limit_;
  TimestampPosition found_;
};

// A whole batch as an ArrayBuffer, or a status number.
class BatchCall : public ViewCall {
 public:
  BatchCall(Engine& engine, double log, std::unique_ptr<LogView> view, Offset offset, Offset limit)
      : ViewCall(engine, log, std::move(view)), offset_(offset), limit_(limit) {}

 private:
  Status Execute() override {
    auto batch = view_->ReadBatch(offset_, limit_);
    if (!batch.ok()) return batch.status();
    batch_ = std::move(*batch);
    return Status::Ok();
  }
  napi_value Answer(napi_env env, Status status) override {
    napi_value buffer;
    void* data;
    if (!status.ok()) return ToJs(env, static_cast<int32_t>(status.code()));
    if (napi_create_arraybuffer(env, batch_.size(), &data, &buffer) != napi_ok) return nullptr;
    if (!batch_.empty()) std::memcpy(data, batch_.data(), batch_.size());
    return buffer;
  }

  const Offset offset_;
  const Offset limit_;
  std::vector<std::byte> batch_;
};

// The view of one call; null, with an exception pending, when there is no such log.
std::unique_ptr<LogView> ViewOf(napi_env env, Engine& engine, Offset from, size_t segments) {
  LogEntry* entry = engine.open() ? engine.FindLog(engine.block().numbers()[kLog]) : nullptr;
  std::unique_ptr<LogView> view = entry == nullptr ? nullptr : entry->log->View(from, segments);
  if (view == nullptr) ThrowStatus(env, Status(Code::kClosed), "read the log");
  return view;
}

// readColdLog: offset, max bytes, limit, whole first batch, as readLog. Fulfilled with status,
// errno, region and its length.
napi_value ReadColdLog(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  BlockReader reader(engine.block());
  const int64_t offset = reader.Int53(kArgument);
  const int64_t max_bytes = reader.Int53(kArgument + 1);
  const int64_t limit = reader.Int53(kArgument + 2);
  if (!reader.ok() || max_bytes < 0)
    return ThrowStatus(env, Status(Code::kInvalidArgument), "read the log");
  auto view = ViewOf(env, engine, offset, kSegmentsPerRead);
  if (view == nullptr) return nullptr;
  return AsyncCall::Start(
      env, std::make_unique<ReadCall>(engine, engine.block().numbers()[kLog], std::move(view),
                                      offset, static_cast<uint64_t>(max_bytes), limit,
                                      reader.Flag(kArgument + 3)));
}

// searchLog: timestamp (negative: the largest), from, limit. Fulfilled with status, errno, offset,
// timestamp, leader epoch, in compressed batch.
napi_value SearchLog(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  BlockReader reader(engine.block());
  const int64_t timestamp = reader.Int53(kArgument);
  const int64_t from = reader.Int53(kArgument + 1);
  const int64_t limit = reader.Int53(kArgument + 2);
  if (!reader.ok()) return ThrowStatus(env, Status(Code::kInvalidArgument), "search the log");
  auto view = ViewOf(env, engine, from, SIZE_MAX);
  if (view == nullptr) return nullptr;
  return AsyncCall::Start(
      env, std::make_unique<SearchCall>(engine, engine.block().numbers()[kLog], std::move(view),
                                        timestamp, from, limit));
}

// readBatch: offset, limit. Fulfilled with an ArrayBuffer, empty when there is none, or a status.
napi_value ReadBatch(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  BlockReader reader(engine.block());
  const int64_t offset = reader.Int53(kArgument);
  const int64_t limit = reader.Int53(kArgument + 1);
  if (!reader.ok()) return ThrowStatus(env, Status(Code::kInvalidArgument), "read the log");
  auto view = ViewOf(env, engine, offset, kSegmentsPerRead);
  if (view == nullptr) return nullptr;
  return AsyncCall::Start(env, std::make_unique<BatchCall>(engine, engine.block().numbers()[kLog],
                                                           std::move(view), offset, limit));
}

}  // namespace

void AppendLogSearch(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  const napi_property_descriptor calls[] = {
      Method("readColdLog", ReadColdLog, engine),
      Method("searchLog", SearchLog, engine),
      Method("readBatch", ReadBatch, engine),
  };
  properties.insert(properties.end(), std::begin(calls), std::end(calls));
}

}  // namespace millrace
