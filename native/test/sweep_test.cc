// The fault sweep: one recorded workload, cut off after every prefix of its disk calls, and with
// every single call failing, on a disk that loses, tears and reorders whatever was not synced.
#include <doctest/doctest.h>

#include <cerrno>
#include <string>

#include "test/support/sweep.h"

namespace millrace::test {
namespace {

constexpr uint64_t kMostCalls = 2500;

std::vector<SimCall> CallsOfPlan(const Plan& plan) {
  Play play(plan, {}, 1);
  REQUIRE(play.wrong() == "");
  return play.calls();
}

}  // namespace

TEST_CASE(
    "fault sweep: no crash at any disk call takes what was promised, breaks the order or invents "
    "anything") {
  const Plan plan = RecordedPlan();
  const uint64_t calls = CallsOfPlan(plan).size();
  MESSAGE("operations: " << plan.size() << ", calls: " << calls);
  REQUIRE(calls <= kMostCalls);
  for (uint64_t n = 1; n <= calls + 1; n += SweepStride(7)) {
    CAPTURE(n);
    Play play(plan, {Fault::Kind::kCrash, n}, n);
    CAPTURE(Describe(plan, play.operations()));
    REQUIRE(play.wrong() == "");
    REQUIRE(play.KillAndCheck(n) == "");
    for (uint64_t seed = n * 100; seed < n * 100 + 4; ++seed) {
      CAPTURE(seed);
      REQUIRE(play.LosePowerAndCheck(seed) == "");
      const uint64_t start = play.CallsOfStart(seed);
      REQUIRE(play.CrashWhileStarting(seed, 1 + seed * 7 % start) == "");
      REQUIRE(play.FailWhileStarting(seed, 1 + seed * 11 % start, EIO) == "");
    }
  }
}

TEST_CASE("fault sweep: no failure of any disk call takes what was promised") {
  const Plan plan = RecordedPlan();
  const std::vector<SimCall> calls = CallsOfPlan(plan);
  uint64_t faults = 0;
  for (uint64_t n = 1; n <= calls.size(); n += SweepStride(11)) {
    for (const Fault& fault : PlausibleFaults(calls[n - 1], n)) {
      ++faults;
      CAPTURE(Describe(fault));
      CAPTURE(Describe(calls, n));
      Play play(plan, fault, n);
      CAPTURE(Describe(plan, play.operations()));
      REQUIRE(play.wrong() == "");
      REQUIRE(play.KillAndCheck(n) == "");
      for (uint64_t seed = n * 100; seed < n * 100 + 2; ++seed) {
        CAPTURE(seed);
        REQUIRE(play.LosePowerAndCheck(seed) == "");
      }
    }
  }
  MESSAGE("faults: " << faults);
}

}  // namespace millrace::test
