#include "program.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace millrace::loadgen {
namespace {

int64_t Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

}  // namespace

void Fatal(const char* format, ...) {
  std::fputs("loadgen: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(1);
}

void FatalErrno(const char* what) { Fatal("%s: %s", what, std::strerror(errno)); }

int64_t NowNs() { return Read(CLOCK_MONOTONIC); }
int64_t WallClockMs() { return Read(CLOCK_REALTIME) / 1'000'000; }

}  // namespace millrace::loadgen
