#include "core/base/millisecond_clock.h"

#include <doctest/doctest.h>
#include <time.h>

#include <chrono>

namespace millrace {
namespace {

int64_t WallMs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

TEST_CASE("the millisecond clock says what the kernel's says, at every tick") {
  MillisecondClock clock;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(120);
  int64_t wrong = 0;
  while (std::chrono::steady_clock::now() < until) {
    for (int i = 0; i < 1000; ++i) {
      const int64_t before = WallMs();
      const int64_t now = clock.Now();
      const int64_t after = WallMs();
      wrong += now < before || now > after ? 1 : 0;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace millrace
