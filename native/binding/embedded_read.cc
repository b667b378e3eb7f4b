#include "binding/embedded_read.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/environment.h"
#include "binding/status_to_js.h"
#include "core/base/fault_guard.h"
#include "core/embedded/writer_lock.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr uint64_t kMaxPosition = uint64_t{1} << 46;

// What lies in the block after loadSidecar, see src/native/reads.ts.
constexpr size_t kBlockNumbers = 16;

napi_value ToArray(napi_env env, const std::vector<double>& numbers) {
  void* data = nullptr;
  napi_value buffer, array;
  if (napi_create_arraybuffer(env, numbers.size() * 8, &data, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_float64_array, numbers.size(), buffer, 0, &array) !=
          napi_ok) {
    return ThrowStatus(env, Status(Code::kNoMemory), "read a log");
  }
  std::copy(numbers.begin(), numbers.end(), static_cast<double*>(data));
  return array;
}

template <size_t kCount>
std::optional<uint64_t> Position(const CallArgs<kCount>& args, size_t index) {
  const std::optional<double> number = args.Number(index);
  if (!number.has_value() || !(*number >= 0 && *number <= static_cast<double>(kMaxPosition)))
    return {};
  return static_cast<uint64_t>(*number);
}

template <size_t kCount>
std::optional<Offset> OffsetAt(const CallArgs<kCount>& args, size_t index) {
  const std::optional<double> number = args.Number(index);
  if (!number.has_value() || !(*number >= -1 && *number < 9007199254740992.0)) return {};
  return static_cast<Offset>(*number);
}

template <size_t kCount>
EmbeddedReads& ReadsOf(const CallArgs<kCount>& args) {
  return args.template Owner<Environment>().reads();
}

template <size_t kCount>
EmbeddedReads::Segment* FindSegment(const CallArgs<kCount>& args) {
  const std::optional<double> id = args.Number(0);
  return id.has_value() ? ReadsOf(args).segments().Find(*id) : nullptr;
}

// A position, or a status as a negative number: numbers are cheaper to make than errors to catch.
double PositionOrStatus(const Result<uint64_t>& position) {
  return position.ok() ? static_cast<double>(*position)
                       : -static_cast<double>(position.status().code());
}

// listReadSegments(directory): base offset, last base offset that it has replaced or -1, and inode
// of each.
napi_value List(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto directory = args.String(0);
  if (!directory) return ThrowArgument(env, "listReadSegments takes a directory");
  const auto listed = ListSegments(*directory);
  if (!listed.ok()) return ThrowStatus(env, listed.status(), "list the log in " + *directory);
  std::vector<double> numbers;
  for (const ListedSegment& segment : *listed) {
    numbers.push_back(static_cast<double>(segment.base_offset));
    numbers.push_back(static_cast<double>(segment.swapped_last));
    numbers.push_back(static_cast<double>(segment.inode));
  }
  return ToArray(env, numbers);
}

// openReadSegment(directory, base, swapped, reserve): its number, or a status as a negative number
// where the directory has to be listed anew.
napi_value OpenSegment(napi_env env, napi_callback_info info) {
  CallArgs<4> args(env, info);
  const auto directory = args.String(0);
  const auto base = OffsetAt(args, 1);
  const auto swapped = OffsetAt(args, 2);
  const auto reserve = Position(args, 3);
  if (!directory || !base || *base < 0 || !swapped || !reserve)
    return ThrowArgument(env, "openReadSegment takes a directory and three numbers");
  auto opened = ReadSegment::Open(*directory, *base, *swapped, static_cast<size_t>(*reserve));
  if (!opened.ok()) {
    const Code code = opened.status().code();
    if (code == Code::kNotFound || code == Code::kWouldBlock)
      return ToJs(env, -static_cast<double>(code));
    return ThrowStatus(env, opened.status(), "map a segment in " + *directory);
  }
  const auto id = ReadsOf(args).segments().Add({std::move(*opened), nullptr});
  if (!id.has_value()) return ThrowStatus(env, Status(Code::kTooManyFiles), "map a segment");
  return ToJs(env, static_cast<double>(*id));
}

// readSegmentBuffer(segment)
napi_value SegmentBuffer(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  EmbeddedReads::Segment* segment = FindSegment(args);
  if (segment == nullptr) return ThrowStatus(env, Status(Code::kClosed), "read a segment");
  return ReadsOf(args).Buffer(*segment);
}

// readSegmentSize(segment): of the file as it is now, or a status as a negative number.
napi_value SegmentSize(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  EmbeddedReads::Segment* segment = FindSegment(args);
  if (segment == nullptr) return ToJs(env, -static_cast<double>(Code::kClosed));
  return ToJs(env, PositionOrStatus(segment->file->FileSize()));
}

// verifyReadBatches(segment, position, end, window): ReadSegment::Verify, with a status as a
// negative number.
napi_value VerifyBatches(napi_env env, napi_callback_info info) {
  CallArgs<4> args(env, info);
  EmbeddedReads::Segment* segment = FindSegment(args);
  const auto position = Position(args, 1);
  const auto end = Position(args, 2);
  const auto window = Position(args, 3);
  if (segment == nullptr) return ToJs(env, -static_cast<double>(Code::kClosed));
  if (!position || !end || !window)
    return ThrowArgument(env, "verifyReadBatches takes a segment and three positions");
  return ToJs(env, PositionOrStatus(segment->file->Verify(*position, *end, *window)));
}

// checkReadSegment(segment, begin, end, readable): a status.
napi_value CheckSegment(napi_env env, napi_callback_info info) {
  CallArgs<4> args(env, info);
  EmbeddedReads::Segment* segment = FindSegment(args);
  const auto begin = Position(args, 1);
  const auto end = Position(args, 2);
  const auto readable = Position(args, 3);
  if (segment == nullptr) return ToJs(env, static_cast<int32_t>(Code::kClosed));
  if (!begin || !end || !readable)
    return ThrowArgument(env, "checkReadSegment takes a segment and three positions");
  const Status status = segment->file->Check(*begin, *end, *readable);
  return ToJs(env, static_cast<int32_t>(status.code()));
}

// closeReadSegment(segment): one that is closed already stays so.
napi_value CloseSegment(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto id = args.Number(0);
  if (!id) return ThrowArgument(env, "closeReadSegment takes a segment");
  auto segment = ReadsOf(args).segments().Take(*id);
  if (segment.has_value()) ReadsOf(args).Close(std::move(*segment));
  return nullptr;
}

// openReadSidecar(directory): its number, or -1 where there is none.
napi_value OpenSidecar(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto directory = args.String(0);
  if (!directory) return ThrowArgument(env, "openReadSidecar takes a directory");
  auto opened = ReadSidecar::Open(*directory);
  if (!opened.ok()) {
    if (opened.status().code() == Code::kNotFound) return ToJs(env, -1);
    return ThrowStatus(env, opened.status(), "read the log in " + *directory);
  }
  const auto id = ReadsOf(args).sidecars().Add(std::move(*opened));
  if (!id.has_value()) return ThrowStatus(env, Status(Code::kTooManyFiles), "read a log");
  return ToJs(env, static_cast<double>(*id));
}

// loadReadSidecar(sidecar): 1, and the numbers are in the block; 0: look again; -1: the log may
// have another one by now. `thorough` asks the file system for that.
napi_value LoadSidecar(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  const auto id = args.Number(0);
  const bool thorough = args.Boolean(1).value_or(true);
  EmbeddedReads& reads = ReadsOf(args);
  std::unique_ptr<ReadSidecar>* sidecar = id ? reads.sidecars().Find(*id) : nullptr;
  double* const block = reads.block().numbers();
  if (sidecar == nullptr || block == nullptr) return ToJs(env, -1);
  SidecarFacts facts;
  const std::optional<OpenBatch> batch = (*sidecar)->Load(&facts);
  if (facts.state != SidecarState::kOpen || (thorough && !(*sidecar)->Current()))
    return ToJs(env, -1);
  if (!batch.has_value()) return ToJs(env, 0);
  block[0] = static_cast<double>(batch->segment_base_offset);
  block[1] = static_cast<double>(batch->base_offset);
  block[2] = static_cast<double>(batch->base_timestamp);
  block[3] = batch->position;
  block[4] = batch->bytes;
  block[5] = batch->record_count;
  block[6] = static_cast<double>(batch->max_timestamp);
  block[7] = static_cast<double>(facts.log_start_offset);
  block[8] = static_cast<double>(facts.durable_offset);
  block[9] = static_cast<double>(facts.file_changes);
  return ToJs(env, 1);
}

// closeReadSidecar(sidecar)
napi_value CloseSidecar(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto id = args.Number(0);
  if (!id) return ThrowArgument(env, "closeReadSidecar takes a sidecar");
  ReadsOf(args).sidecars().Take(*id);
  return nullptr;
}

// readBlock(): the array that loadReadSidecar fills.
napi_value Block(napi_env env, napi_callback_info info) {
  return CallOwner<Environment>(env, info).reads().Block();
}

// replacedPages(): an ArrayBuffer over the counter of fault_guard.h.
napi_value ReplacedPagesBuffer(napi_env env, napi_callback_info) {
  static_assert(sizeof(ReplacedPages()) == 4);
  napi_value buffer = nullptr;
  void* const data = const_cast<std::atomic<uint32_t>*>(&ReplacedPages());
  const auto keep = [](napi_env, void*, void*) {};  // it lies there as long as the process
  if (napi_create_external_arraybuffer(env, data, sizeof(uint32_t), keep, nullptr, &buffer) !=
      napi_ok) {
    return ThrowArgument(env, "this runtime forbids external ArrayBuffers; use Node.js");
  }
  return buffer;
}

// brokerHas(directory): whether a broker that runs has it as a partition.
napi_value BrokerHas(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto directory = args.String(0);
  if (!directory) return ThrowArgument(env, "brokerHas takes a directory");
  napi_value answer = nullptr;
  napi_get_boolean(env, LockAgainstBroker(*directory).status().code() == Code::kLocked, &answer);
  return answer;
}

// readWholeFile(directory, name): a copy, or undefined where there is no such file.
napi_value ReadWholeFile(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  const auto directory = args.String(0);
  const auto name = args.String(1);
  if (!directory || !name) return ThrowArgument(env, "readWholeFile takes a directory and a name");
  const std::string path = JoinPath(*directory, *name);
  auto file = PosixDisk().Open(path, OpenMode::kRead);
  if (!file.ok() && file.status().code() == Code::kNotFound) return nullptr;
  if (!file.ok()) return ThrowStatus(env, file.status(), "read " + path);
  const auto size = (*file)->Size();
  if (!size.ok()) return ThrowStatus(env, size.status(), "read " + path);
  void* data = nullptr;
  napi_value buffer, array;
  if (napi_create_arraybuffer(env, static_cast<size_t>(*size), &data, &buffer) != napi_ok)
    return ThrowStatus(env, Status(Code::kNoMemory), "read " + path);
  const auto got = (*file)->ReadAt(0, {static_cast<std::byte*>(data), static_cast<size_t>(*size)});
  if (!got.ok()) return ThrowStatus(env, got.status(), "read " + path);
  if (napi_create_typedarray(env, napi_uint8_array, *got, buffer, 0, &array) != napi_ok)
    return ThrowStatus(env, Status(Code::kNoMemory), "read " + path);
  return array;
}

}  // namespace

void EmbeddedReads::Clear() {
  segments_.ForEach([&](uint64_t, Segment& segment) {
    if (segment.buffer != nullptr) napi_delete_reference(env_, segment.buffer);
  });
  segments_.Clear();
  sidecars_.Clear();
  block_.Release(env_);
}

napi_value EmbeddedReads::Buffer(Segment& segment) {
  napi_value buffer = nullptr;
  if (segment.buffer != nullptr) {
    if (napi_get_reference_value(env_, segment.buffer, &buffer) == napi_ok && buffer != nullptr)
      return buffer;
    napi_delete_reference(env_, std::exchange(segment.buffer, nullptr));
  }
  const auto keep = [](napi_env, void*, void*) {};  // the addresses are for ever
  const napi_status made = napi_create_external_arraybuffer(
      env_, segment.file->data(), segment.file->length(), keep, nullptr, &buffer);
  if (made == napi_no_external_buffers_allowed) {
    return ThrowArgument(
        env_, "this runtime forbids external ArrayBuffers (V8 pointer compression); use Node.js");
  }
  if (made != napi_ok || napi_create_reference(env_, buffer, 0, &segment.buffer) != napi_ok)
    return ThrowStatus(env_, Status(Code::kNoMemory), "lend a segment to JavaScript");
  return buffer;
}

void EmbeddedReads::Close(Segment segment) {
  if (segment.buffer == nullptr) return;
  napi_value buffer = nullptr;
  if (napi_get_reference_value(env_, segment.buffer, &buffer) == napi_ok && buffer != nullptr)
    napi_detach_arraybuffer(env_, buffer);
  napi_delete_reference(env_, segment.buffer);
}

napi_value EmbeddedReads::Block() {
  if (block_.numbers() == nullptr && !block_.Create(env_, napi_float64_array, kBlockNumbers)) {
    return ThrowStatus(env_, Status(Code::kNoMemory), "read a log");
  }
  return block_.Value(env_);
}

void AppendEmbeddedRead(std::vector<napi_property_descriptor>& properties,
                        Environment* environment) {
  properties.push_back(Method("listReadSegments", List, environment));
  properties.push_back(Method("openReadSegment", OpenSegment, environment));
  properties.push_back(Method("readSegmentBuffer", SegmentBuffer, environment));
  properties.push_back(Method("readSegmentSize", SegmentSize, environment));
  properties.push_back(Method("verifyReadBatches", VerifyBatches, environment));
  properties.push_back(Method("checkReadSegment", CheckSegment, environment));
  properties.push_back(Method("closeReadSegment", CloseSegment, environment));
  properties.push_back(Method("openReadSidecar", OpenSidecar, environment));
  properties.push_back(Method("loadReadSidecar", LoadSidecar, environment));
  properties.push_back(Method("closeReadSidecar", CloseSidecar, environment));
  properties.push_back(Method("readBlock", Block, environment));
  properties.push_back(Method("replacedPages", ReplacedPagesBuffer, environment));
  properties.push_back(Method("readWholeFile", ReadWholeFile, environment));
  properties.push_back(Method("brokerHas", BrokerHas, environment));
}

}  // namespace millrace
