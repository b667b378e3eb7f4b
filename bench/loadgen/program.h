#pragma once

#include <cstdint>

namespace millrace::loadgen {

// The generator is a short-lived program: what it cannot go on from ends it, with the reason on
// standard error.
[[noreturn]] void Fatal(const char* format, ...) __attribute__((format(printf, 1, 2)));
// The same for a system call that failed: adds errno's text.
[[noreturn]] void FatalErrno(const char* what);

// CLOCK_MONOTONIC in nanoseconds. Every time in this program is one of these unless its name says
// otherwise.
int64_t NowNs();
// Wall-clock milliseconds, for record timestamps only.
int64_t WallClockMs();

inline constexpr int64_t kNsPerSecond = 1'000'000'000;

}  // namespace millrace::loadgen
