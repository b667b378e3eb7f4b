#include "binding/status_to_js.h"

#include <cstring>
#include <string>

namespace millrace {
namespace {

constexpr StatusText kTexts[] = {
    {Code::kOk, "ok", "MILLRACE_OK", "nothing failed"},
    {Code::kInvalidArgument, "invalidArgument", "MILLRACE_INVALID_ARGUMENT",
     "an argument is not acceptable"},
    {Code::kNoSpace, "noSpace", "MILLRACE_NO_SPACE", "the disk is full"},
    {Code::kIoError, "ioError", "MILLRACE_IO_ERROR", "the device or file system reported an error"},
    {Code::kTooManyFiles, "tooManyFiles", "MILLRACE_TOO_MANY_FILES",
     "no file descriptors are left"},
    {Code::kNotFound, "notFound", "MILLRACE_NOT_FOUND", "there is no such file or directory"},
    {Code::kExists, "exists", "MILLRACE_EXISTS", "it is there already"},
    {Code::kLocked, "locked", "MILLRACE_LOCKED", "another process holds it"},
    {Code::kClosed, "closed", "MILLRACE_CLOSED", "it was closed"},
    {Code::kCorrupt, "corrupt", "MILLRACE_CORRUPT",
     "stored bytes contradict their checksum or each other"},
    {Code::kNoMemory, "noMemory", "MILLRACE_NO_MEMORY", "memory or mappings ran out"},
    {Code::kFailed, "failed", "MILLRACE_FAILED", "the log failed earlier and accepts nothing more"},
    {Code::kAddressInUse, "addressInUse", "MILLRACE_ADDRESS_IN_USE",
     "another process listens on this address"},
    {Code::kTooManyConnections, "tooManyConnections", "MILLRACE_TOO_MANY_CONNECTIONS",
     "the limit of connections is reached"},
    {Code::kWouldBlock, "wouldBlock", "MILLRACE_WOULD_BLOCK", "it would have to wait for the disk"},
    {Code::kStopped, "stopped", "MILLRACE_STOPPED", "it was asked to end"},
    {Code::kOffsetOutOfRange, "offsetOutOfRange", "MILLRACE_OFFSET_OUT_OF_RANGE",
     "the offset is outside the log"},
    {Code::kBatchCorrupt, "batchCorrupt", "MILLRACE_BATCH_CORRUPT",
     "the batch's length or checksum does not hold"},
    {Code::kBatchInvalid, "batchInvalid", "MILLRACE_BATCH_INVALID",
     "the batch's records contradict its header"},
    {Code::kBatchTooLarge, "batchTooLarge", "MILLRACE_BATCH_TOO_LARGE",
     "the batch is above max.message.bytes"},
    {Code::kBatchMagic, "batchMagic", "MILLRACE_BATCH_MAGIC", "the batch is not of format 2"},
    {Code::kBatchTimestamp, "batchTimestamp", "MILLRACE_BATCH_TIMESTAMP",
     "a timestamp is outside the topic's bounds"},
    {Code::kBatchCompression, "batchCompression", "MILLRACE_BATCH_COMPRESSION",
     "the compression codec is unknown"},
    {Code::kBatchLargerThanSegment, "batchLargerThanSegment", "MILLRACE_BATCH_LARGER_THAN_SEGMENT",
     "the batch is above segment.bytes"},
};

const StatusText* TextOf(Code code) {
  for (const StatusText& text : kTexts) {
    if (text.code == code) return &text;
  }
  return nullptr;
}

void SetInteger(napi_env env, napi_value object, const char* name, int32_t number) {
  napi_value value;
  if (napi_create_int32(env, number, &value) == napi_ok)
    napi_set_named_property(env, object, name, value);
}

}  // namespace

std::span<const StatusText> StatusTexts() { return kTexts; }

napi_value ErrorFromStatus(napi_env env, Status status, std::string_view action) {
  const StatusText* text = TextOf(status.code());
  std::string message = "cannot ";
  message.append(action).append(": ").append(text != nullptr ? text->meaning : "unknown status");
  if (status.system_error() != 0) {
    char buffer[128];
    // The GNU variant: it returns the text, in `buffer` or elsewhere.
    message.append(" (")
        .append(strerror_r(status.system_error(), buffer, sizeof buffer))
        .append(")");
  }
  napi_value code, what, error;
  const char* name = text != nullptr ? text->error : "MILLRACE_UNKNOWN_STATUS";
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_string_utf8(env, message.data(), message.size(), &what) != napi_ok ||
      napi_create_error(env, code, what, &error) != napi_ok) {
    return nullptr;
  }
  SetInteger(env, error, "nativeCode", static_cast<int32_t>(status.code()));
  if (status.system_error() != 0) SetInteger(env, error, "errno", status.system_error());
  return error;
}

napi_value ThrowStatus(napi_env env, Status status, std::string_view action) {
  napi_value error = ErrorFromStatus(env, status, action);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

napi_value ThrowArgument(napi_env env, const char* message) {
  napi_throw_type_error(env, "MILLRACE_INVALID_ARGUMENT", message);
  return nullptr;
}

}  // namespace millrace
