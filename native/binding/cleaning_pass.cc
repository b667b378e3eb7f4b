// Cleaning passes of a worker thread (src/native/cleaner.ts).
#include "binding/cleaning_pass.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/environment.h"
#include "binding/status_to_js.h"
#include "core/base/thread_priority.h"

namespace millrace {
namespace {

constexpr size_t kTaskNumbers = 11;
constexpr double kExact = 9007199254740992.0;

// The elements of a typed array of this type. Borrowed until control returns to JavaScript.
template <typename T>
std::optional<std::span<T>> ArrayOf(napi_env env, napi_value value, napi_typedarray_type wanted) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (value == nullptr ||
      napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != wanted) {
    return {};
  }
  return std::span(static_cast<T*>(data), length);
}

napi_value ToArray(napi_env env, std::span<const double> numbers) {
  napi_value buffer, array;
  void* data;
  if (napi_create_arraybuffer(env, numbers.size_bytes(), &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &array) !=
          napi_ok) {
    return nullptr;
  }
  std::memcpy(data, numbers.data(), numbers.size_bytes());
  return array;
}

bool Counts(std::span<const double> numbers) {
  for (const double number : numbers) {
    if (!(number >= 0 && number < kExact)) return false;
  }
  return true;
}

// numbers: end offset, first dirty offset, map bytes, segment bytes, index bytes, index interval
// bytes, delete retention ms, now ms, bytes per second (or infinity), whether it compacts, codec.
bool ReadTask(std::span<const double> numbers, std::span<const double> segments,
              std::span<const int64_t> producers, CleanTask* task) {
  if (numbers.size() != kTaskNumbers || segments.size() % 2 != 0 || producers.size() % 3 != 0)
    return false;
  if (!Counts(numbers.first(8)) || !Counts(segments) || !(numbers[8] > 0)) return false;
  if (!(numbers[10] >= 0 && numbers[10] <= kBatchCodecMask)) return false;
  if (numbers[3] > UINT32_MAX || numbers[4] > UINT32_MAX || numbers[5] > UINT32_MAX) return false;
  task->end_offset = static_cast<Offset>(numbers[0]);
  task->first_dirty_offset = static_cast<Offset>(numbers[1]);
  task->map_bytes = static_cast<uint64_t>(numbers[2]);
  task->segment_bytes = static_cast<uint32_t>(numbers[3]);
  task->segment_index_bytes = static_cast<uint32_t>(numbers[4]);
  task->index_interval_bytes = static_cast<uint32_t>(numbers[5]);
  task->delete_retention_ms = static_cast<int64_t>(numbers[6]);
  task->now_ms = static_cast<int64_t>(numbers[7]);
  task->bytes_per_second = numbers[8];
  task->compacts = numbers[9] != 0;
  task->codec = static_cast<int16_t>(numbers[10]);
  for (size_t i = 0; i < segments.size(); i += 2) {
    task->segments.push_back(
        {static_cast<Offset>(segments[i]), static_cast<uint64_t>(segments[i + 1])});
  }
  for (size_t i = 0; i < producers.size(); i += 3) {
    task->producers[producers[i]] = {static_cast<int16_t>(producers[i + 1]), producers[i + 2]};
  }
  return true;
}

// openCleaningPass(directory, numbers, segments, producers, stop, codec): the pass's number.
// segments: base offset and size of each. producers: id, epoch, last data offset of each.
napi_value OpenPass(napi_env env, napi_callback_info info) {
  CallArgs<6> args(env, info);
  auto directory = args.String(0);
  const auto numbers = ArrayOf<double>(env, args[1], napi_float64_array);
  const auto segments = ArrayOf<double>(env, args[2], napi_float64_array);
  const auto producers = ArrayOf<int64_t>(env, args[3], napi_bigint64_array);
  const auto stop = ArrayOf<int32_t>(env, args[4], napi_int32_array);
  napi_valuetype type = napi_undefined;
  if (args[5] != nullptr) napi_typeof(env, args[5], &type);
  CleanTask task;
  if (!directory || !numbers || !segments || !producers || !stop || stop->empty() ||
      type != napi_function || !ReadTask(*numbers, *segments, *producers, &task)) {
    return ThrowArgument(env, "openCleaningPass takes a task, an Int32Array and a function");
  }
  task.directory = std::move(*directory);
  if (getrandom(&task.hash_seed, sizeof task.hash_seed, 0) != sizeof task.hash_seed)
    return ThrowStatus(env, Status::FromErrno(errno), "draw a seed");
  napi_ref codec_reference, stop_reference;
  if (napi_create_reference(env, args[5], 1, &codec_reference) != napi_ok ||
      napi_create_reference(env, args[4], 1, &stop_reference) != napi_ok) {
    return nullptr;
  }
  static_assert(std::atomic<int32_t>::is_always_lock_free &&
                sizeof(std::atomic<int32_t>) == sizeof(int32_t));
  auto pass = std::make_unique<BoundPass>(env, std::move(task), codec_reference, stop_reference,
                                          reinterpret_cast<std::atomic<int32_t>*>(stop->data()));
  const auto id = args.Owner<Environment>().passes().Add(std::move(pass));
  if (!id.has_value()) return ThrowStatus(env, Status(Code::kNoMemory), "clean the log");
  return ToJs(env, static_cast<double>(*id));
}

BoundPass* FindPass(const CallArgs<1>& args) {
  const auto id = args.Number(0);
  std::unique_ptr<BoundPass>* pass = id ? args.Owner<Environment>().passes().Find(*id) : nullptr;
  return pass == nullptr || (*pass)->busy ? nullptr : pass->get();
}

void SetNumber(napi_env env, napi_value object, const char* name, double number) {
  napi_set_named_property(env, object, name, ToJs(env, number));
}

napi_value ThrowFault(napi_env env, BoundPass& bound, Status status) {
  if (bound.codecs().threw()) return nullptr;  // what JavaScript threw is on its way
  napi_value error = ErrorFromStatus(env, status, "clean the log");
  if (error == nullptr) return nullptr;
  SetNumber(env, error, "segment", static_cast<double>(bound.pass().fault_segment()));
  SetNumber(env, error, "position", static_cast<double>(bound.pass().fault_position()));
  napi_throw(env, error);
  return nullptr;
}

template <typename Step>
auto RunStep(BoundPass& bound, Step step) {
  const LowPriority low;
  bound.busy = true;
  auto result = step(bound.pass());
  bound.busy = false;
  return result;
}

// buildCleaningMap(pass): clean end offset, keys, bytes read, fill.
napi_value BuildMap(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  BoundPass* bound = FindPass(args);
  if (bound == nullptr) return ThrowStatus(env, Status(Code::kClosed), "clean the log");
  const auto facts = RunStep(*bound, [](CleanPass& pass) { return pass.BuildMap(); });
  if (!facts.ok()) return ThrowFault(env, *bound, facts.status());
  const double numbers[] = {static_cast<double>(facts->clean_end_offset),
                            static_cast<double>(facts->keys),
                            static_cast<double>(facts->bytes_read), facts->fill};
  return ToArray(env, numbers);
}

// nextCleanedGroup(pass): bytes read and written, records read, kept and without key, batches read
// and kept, then the base offsets of the segments. Undefined after the last.
napi_value NextGroup(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  BoundPass* bound = FindPass(args);
  if (bound == nullptr) return ThrowStatus(env, Status(Code::kClosed), "clean the log");
  const auto group = RunStep(*bound, [](CleanPass& pass) { return pass.NextGroup(); });
  if (!group.ok()) return ThrowFault(env, *bound, group.status());
  if (!group->has_value()) return nullptr;
  const CleanedGroup& cleaned = **group;
  std::vector<double> numbers;
  for (const uint64_t count :
       {cleaned.bytes_read, cleaned.bytes_written, cleaned.counts.records_read,
        cleaned.counts.records_kept, cleaned.counts.records_without_key,
        cleaned.counts.batches_read, cleaned.counts.batches_kept}) {
    numbers.push_back(static_cast<double>(count));
  }
  for (const Offset base : cleaned.bases) numbers.push_back(static_cast<double>(base));
  return ToArray(env, numbers);
}

// closeCleaningPass(pass)
napi_value ClosePass(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  if (FindPass(args) == nullptr) return ThrowStatus(env, Status(Code::kClosed), "end the pass");
  args.Owner<Environment>().passes().Take(*args.Number(0));
  return nullptr;
}

}  // namespace

JsCodecs::~JsCodecs() { napi_delete_reference(env_, codec_); }

Status JsCodecs::Call(bool fold, int16_t codec, std::span<const std::byte> records,
                      std::vector<std::byte>* into) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return Status(Code::kNoMemory);
  napi_value function, receiver, buffer, result = nullptr;
  napi_value arguments[3];
  void* data;
  const bool called =
      napi_get_reference_value(env_, codec_, &function) == napi_ok &&
      napi_get_undefined(env_, &receiver) == napi_ok &&
      napi_get_boolean(env_, fold, &arguments[0]) == napi_ok &&
      napi_create_int32(env_, codec, &arguments[1]) == napi_ok &&
      napi_create_arraybuffer(env_, records.size(), &data, &buffer) == napi_ok &&
      (records.empty() || std::memcpy(data, records.data(), records.size()) != nullptr) &&
      napi_create_typedarray(env_, napi_uint8_array, records.size(), buffer, 0, &arguments[2]) ==
          napi_ok &&
      napi_call_function(env_, receiver, function, 3, arguments, &result) == napi_ok;
  Status status(Code::kInvalidArgument);
  if (!called) {
    napi_is_exception_pending(env_, &threw_);
  } else if (const auto bytes = CallArgs<1>::BytesOf(env_, result); bytes) {
    into->assign(bytes->begin(), bytes->end());
    status = Status::Ok();
  }
  napi_close_handle_scope(env_, scope);
  return status;
}

BoundPass::BoundPass(napi_env env, CleanTask task, napi_ref codec, napi_ref stop,
                     std::atomic<int32_t>* flag)
    : env_(env),
      stop_(stop),
      codecs_(env, codec),
      pass_(PosixDisk(), std::move(task), codecs_, flag) {}

BoundPass::~BoundPass() { napi_delete_reference(env_, stop_); }

void AppendCleaningPass(std::vector<napi_property_descriptor>& properties,
                        Environment* environment) {
  properties.push_back(Method("openCleaningPass", OpenPass, environment));
  properties.push_back(Method("buildCleaningMap", BuildMap, environment));
  properties.push_back(Method("nextCleanedGroup", NextGroup, environment));
  properties.push_back(Method("closeCleaningPass", ClosePass, environment));
}

}  // namespace millrace
