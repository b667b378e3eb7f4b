// When a thread that reads cold data rests.
#include "core/io/cold_pace.h"

#include <doctest/doctest.h>

namespace millrace::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

ColdPace::Duration Round(ColdPace& pace, ColdPace::Duration slice, int ended, uint64_t traffic) {
  ColdPace::Duration rest{};
  for (int i = 0; i < ColdPace::kSlices; ++i) {
    CHECK(rest == ColdPace::Duration{});
    rest = pace.AfterSlice(slice, i < ended, traffic);
  }
  return rest;
}

TEST_CASE("cold pace: it rests for a third of its time while others are served, and no longer") {
  ColdPace pace;
  CHECK(Round(pace, microseconds(300), 0, 5) == microseconds(800));
  CHECK(Round(pace, microseconds(300), 0, 5) == ColdPace::Duration{});
  CHECK(Round(pace, microseconds(300), 1, 8) == microseconds(800));
}

TEST_CASE("cold pace: who is alone is not slowed by its own requests") {
  ColdPace pace;
  uint64_t traffic = 1;
  (void)Round(pace, microseconds(300), 0, traffic);  // the request that began it
  for (int round = 0; round < 1000; ++round) {
    traffic += round % 3 == 1 ? 0 : round % 3 == 2 ? 2 : 1;  // sometimes one comes late
    CHECK(Round(pace, microseconds(300), 1, traffic) == ColdPace::Duration{});
  }
}

TEST_CASE("cold pace: a disk that stalls makes no long rest") {
  ColdPace pace;
  CHECK(Round(pace, seconds(1), 0, 1) == milliseconds(5));
}

}  // namespace
}  // namespace millrace::test
