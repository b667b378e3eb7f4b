#include "binding/process_calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "binding/call_args.h"
#include "binding/engine.h"
#include "binding/environment.h"
#include "binding/status_to_js.h"
#include "core/base/crc32c.h"

namespace millrace {
namespace {

// crc32c(bytes)
napi_value Checksum(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto bytes = args.Bytes(0);
  if (!bytes) return ThrowArgument(env, "crc32c takes a Uint8Array");
  return ToJs(env, static_cast<double>(Crc32c(*bytes)));
}

// lockFile(path): the lock's number, or -1 when it is taken. flock(2) locks belong to the open
// file, so a second call in this process finds it taken as well, and the kernel gives the lock back
// when the process ends, however it ends.
napi_value LockFile(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto path = args.String(0);
  if (!path) return ThrowArgument(env, "lockFile takes a path");
  UniqueFd file(::open(path->c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return ThrowStatus(env, Status::FromErrno(errno), "lock " + *path);
  int failed;
  do {
    failed = ::flock(file.get(), LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0 && errno == EWOULDBLOCK) return ToJs(env, -1);
  if (failed != 0) return ThrowStatus(env, Status::FromErrno(errno), "lock " + *path);
  const std::optional<uint64_t> id = args.Owner<Environment>().locks().Add(std::move(file));
  if (!id.has_value()) return ThrowStatus(env, Status(Code::kTooManyFiles), "lock " + *path);
  return ToJs(env, static_cast<double>(*id));
}

// unlockFile(lock)
napi_value UnlockFile(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  const auto id = args.Number(0);
  if (!id || !args.Owner<Environment>().locks().Take(*id)) {
    return ThrowStatus(env, Status(Code::kClosed), "unlock a file");
  }
  return nullptr;
}

// processAgeMs(): milliseconds since the kernel made this process, too long by at most one clock
// tick (10 ms), since that is how finely the kernel tells it; -1 where /proc is not mounted.
napi_value ProcessAgeMs(napi_env env, napi_callback_info) {
  char text[1024];
  size_t length = 0;
  if (FILE* stat = std::fopen("/proc/self/stat", "re"); stat != nullptr) {
    length = std::fread(text, 1, sizeof text - 1, stat);
    std::fclose(stat);
  }
  text[length] = '\0';
  const char* field = std::strrchr(text, ')');  // the command's name, field 2, may contain anything
  for (int number = 2; field != nullptr && number < 22; ++number)
    field = std::strchr(field + 1, ' ');
  timespec now;
  if (field == nullptr || clock_gettime(CLOCK_BOOTTIME, &now) != 0) return ToJs(env, -1);
  const double ticks = std::strtod(field, nullptr);
  const double started_ms = ticks * 1000 / static_cast<double>(sysconf(_SC_CLK_TCK));
  return ToJs(env, static_cast<double>(now.tv_sec) * 1000 + static_cast<double>(now.tv_nsec) / 1e6 -
                       started_ms);
}

}  // namespace

void AppendProcessCalls(std::vector<napi_property_descriptor>& properties,
                        Environment* environment) {
  properties.push_back(Method("crc32c", Checksum, environment));
  properties.push_back(Method("lockFile", LockFile, environment));
  properties.push_back(Method("unlockFile", UnlockFile, environment));
  properties.push_back(Method("processAgeMs", ProcessAgeMs, environment));
}

}  // namespace millrace
