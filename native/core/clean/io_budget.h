#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/base/status.h"

namespace millrace {

// Slows a pass down to so many bytes a second, read and written together, and ends it when that is
// asked for. One thread; anybody may store to `stop`.
class IoBudget {
 public:
  // Infinity: no limit, and no clock is looked at. `stop` may be null, and outlives the budget.
  IoBudget(double bytes_per_second, std::atomic<int32_t>* stop)
      : bytes_per_second_(bytes_per_second), stop_(stop) {}

  // Before or after as many bytes were moved: waits as long as they have to take. kStopped.
  Status Spend(uint64_t bytes);
  Status CheckStop() const;

 private:
  using Clock = std::chrono::steady_clock;

  const double bytes_per_second_;
  std::atomic<int32_t>* const stop_;
  Clock::time_point paid_until_{};  // what was moved so far may take until then
};

}  // namespace millrace
