// Longer workloads that a seed decides. MILLRACE_SWEEP_SEED=n plays the workload of that seed
// alone; with MILLRACE_SWEEP_SECONDS=s it goes on from seed to seed for that long, from 1 if none
// is given.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "test/support/random.h"
#include "test/support/sweep.h"

namespace millrace::test {
namespace {

uint64_t NumberIn(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Finding {
  std::string wrong;  // empty: nothing
  Fault fault;
  size_t operations = 0;
};

// One fault and what comes after it.
Finding TryFault(const Plan& plan, const Fault& fault, uint64_t seed) {
  Play play(plan, fault, seed);
  Finding finding{play.wrong(), fault, play.operations()};
  Random random(seed);
  if (finding.wrong.empty()) finding.wrong = play.KillAndCheck(random.Next());
  for (int i = 0; i < 3 && finding.wrong.empty(); ++i) {
    const uint64_t fate = random.Next();
    finding.wrong = play.LosePowerAndCheck(fate);
    if (fault.kind != Fault::Kind::kCrash || !finding.wrong.empty()) continue;
    const uint64_t start = play.CallsOfStart(fate);
    finding.wrong = play.CrashWhileStarting(fate, 1 + random.Below(start));
    if (!finding.wrong.empty()) continue;
    finding.wrong = play.FailWhileStarting(fate, 1 + random.Below(start), EIO);
  }
  return finding;
}

// Faults at calls that the seed draws; crashes mostly.
Finding TryPlan(const Plan& plan, uint64_t seed, size_t faults) {
  Play whole(plan, {}, seed);
  if (!whole.wrong().empty()) return {whole.wrong(), {}, whole.operations()};
  const std::vector<SimCall> calls = whole.calls();
  Random random(seed);
  for (size_t i = 0; i < faults; ++i) {
    const uint64_t n = 1 + random.Below(calls.size());
    const std::vector<Fault> plausible = PlausibleFaults(calls[n - 1], n);
    Fault fault{Fault::Kind::kCrash, n};
    if (random.Chance(2)) fault = plausible[random.Below(plausible.size())];
    Finding finding = TryFault(plan, fault, random.Next());
    if (!finding.wrong.empty()) return finding;
  }
  return {};
}

// Leaves out what the failure does not need: whole stretches first, then single operations, for as
// long as some fault of the same seed still finds something.
Plan Shrink(Plan plan, uint64_t seed, size_t faults, Finding* finding) {
  plan.resize(std::min(plan.size(), finding->operations));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (size_t length = plan.size() / 2; length > 0; length /= 2) {
    for (size_t at = 0; at + length <= plan.size();) {
      if (std::chrono::steady_clock::now() > end) return plan;
      Plan shorter = plan;
      shorter.erase(shorter.begin() + static_cast<ptrdiff_t>(at),
                    shorter.begin() + static_cast<ptrdiff_t>(at + length));
      Finding still = TryPlan(shorter, seed, 4 * faults);
      if (still.wrong.empty()) {
        at += length;
        continue;
      }
      *finding = still;
      plan = std::move(shorter);
    }
  }
  return plan;
}

constexpr size_t kOperations = 120;
constexpr size_t kFaults = 24;

// Plays the workload of this seed with some faults, and says what it finds.
void TrySeed(uint64_t seed) {
  const Plan plan = RandomPlan(seed, kOperations);
  Finding finding = TryPlan(plan, seed, kFaults);
  if (finding.wrong.empty()) return;
  const std::string found =
      Describe(finding.fault) + ": " + finding.wrong + "\n" + Describe(plan, finding.operations);
  const Plan shrunk = Shrink(plan, seed, kFaults, &finding);
  FAIL("MILLRACE_SWEEP_SEED=" << seed << "\n"
                              << found << "shrunk:\n"
                              << Describe(finding.fault) << ": " << finding.wrong << "\n"
                              << Describe(shrunk, finding.operations));
}

}  // namespace

// A log that began with a later segment; the largest timestamp of a sealed segment lost.
TEST_CASE("random fault sweep: the workloads that once found something find nothing") {
  for (const uint64_t seed : {uint64_t{2367854743}, uint64_t{1496243054}, uint64_t{1107253594}}) {
    TrySeed(seed);
  }
}

TEST_CASE("random fault sweep: a workload that a seed decides keeps every promise") {
  const uint64_t seconds = NumberIn("MILLRACE_SWEEP_SECONDS", 0);
  const bool one = seconds == 0 && std::getenv("MILLRACE_SWEEP_SEED") != nullptr;
  uint64_t seed = NumberIn("MILLRACE_SWEEP_SEED", 1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t plans = 0;
  do {
    ++plans;
    TrySeed(seed);
    ++seed;
  } while (!one &&
           (seconds > 0 ? std::chrono::steady_clock::now() < end : plans * SweepStride(1) < 4));
  MESSAGE("workloads: " << plans << " of " << kOperations << " operations, to seed " << seed - 1);
}

}  // namespace millrace::test
