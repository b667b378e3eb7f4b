#pragma once

#include <cstdint>

namespace millrace {

// The wall clock in milliseconds since the Unix epoch, for who asks for it millions of times a
// second: between two ticks of a millisecond the processor's own counter tells that the tick is
// not due yet, in half the time that the kernel's clock takes. What it returns is what that clock
// says; a clock that is set is noticed within a millisecond. One thread.
class MillisecondClock {
 public:
  MillisecondClock();
  int64_t Now() {
    const uint64_t count = Count();
    // A processor whose counter is behind gives a huge difference.
    if (count - read_at_ < lasts_) [[likely]]
      return now_ms_;
    return Read(count);
  }

 private:
  static uint64_t Count() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
  }

  int64_t Read(uint64_t count);

  const bool steady_;  // the counter counts time, whatever the processor does
  int64_t now_ms_ = 0;
  uint64_t read_at_ = 0;  // the counter when the kernel's clock was read
  uint64_t lasts_ = 0;    // how far it counts before the next tick is due; 0: that is not known
  // The first reading, from which the counter's rate comes.
  uint64_t first_count_ = 0;
  int64_t first_ns_ = 0;
};

}  // namespace millrace
