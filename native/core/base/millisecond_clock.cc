#include "core/base/millisecond_clock.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace millrace {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// The rate is known to a millionth after this.
constexpr int64_t kCalibrationNs = 20 * kNsPerMs;
// Of the time until a tick, in hundredths: the rest takes what the two clocks may drift apart.
constexpr int64_t kTrusted = 98;

int64_t NanosecondsOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool CounterIsSteady() {
#if defined(__x86_64__)
  constexpr unsigned kPowerLeaf = 0x80000007;
  constexpr unsigned kInvariant = 1u << 8;
  unsigned a, b, c, d;
  return __get_cpuid(kPowerLeaf, &a, &b, &c, &d) != 0 && (d & kInvariant) != 0;
#else
  return false;
#endif
}

}  // namespace

MillisecondClock::MillisecondClock() : steady_(CounterIsSteady()) {}

int64_t MillisecondClock::Read(uint64_t count) {
  const int64_t wall_ns = NanosecondsOf(CLOCK_REALTIME);
  now_ms_ = wall_ns / kNsPerMs;
  if (!steady_) return now_ms_;
  const int64_t ns = NanosecondsOf(CLOCK_MONOTONIC);
  if (first_count_ == 0 || count < first_count_) {
    first_count_ = count;
    first_ns_ = ns;
  }
  lasts_ = 0;
  if (const int64_t passed = ns - first_ns_; passed >= kCalibrationNs) {
    const double rate = static_cast<double>(count - first_count_) / static_cast<double>(passed);
    const int64_t left_ns = (kNsPerMs - wall_ns % kNsPerMs) * kTrusted / 100;
    lasts_ = static_cast<uint64_t>(rate * static_cast<double>(left_ns));
  }
  read_at_ = count;
  return now_ms_;
}

}  // namespace millrace
