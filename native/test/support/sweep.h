#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/log_host.h"
#include "test/support/sim_disk.h"
#include "test/support/sweep_plan.h"

namespace millrace::test {

// What happens to a plan's disk. Calls are counted from the start of the plan; 0: never.
struct Fault {
  enum class Kind { kNone, kCrash, kFailOnce, kFailForGood, kShortRead };
  Kind kind = Kind::kNone;
  uint64_t call = 0;
  int error = 0;
  uint32_t kinds = kAnyCall;  // which calls kFailForGood fails
};

// How far it is from one thing that a sweep tries to the next: 1 with MILLRACE_SWEEP=full, and else
// `sample`, or more where a sanitizer takes its time.
uint64_t SweepStride(uint64_t sample);

std::string Describe(const Fault& fault);
// The faults that the n-th of these calls can plausibly have, besides a crash.
std::vector<Fault> PlausibleFaults(const SimCall& call, uint64_t n);

// The calls around the n-th.
std::string Describe(const std::vector<SimCall>& calls, uint64_t n);

// One plan played on a disk of its own, up to its fault and on for as long as there is a process.
class Play {
 public:
  Play(const Plan& plan, const Fault& fault, uint64_t seed);

  const std::string& wrong() const { return wrong_; }  // in the course of it; empty: nothing
  size_t operations() const { return operations_; }    // that were begun
  std::vector<SimCall> calls() const;                  // of the plan

  // What the next process finds, in one sentence that says what is wrong; empty: nothing.
  std::string KillAndCheck(uint64_t seed);
  std::string LosePowerAndCheck(uint64_t seed);
  std::string LosePowerAndCheck(uint64_t seed, uint64_t names_kept);
  uint64_t pending_names() const { return disk_.pending_names(); }
  // The same, and while that process starts its n-th call crashes or fails.
  std::string CrashWhileStarting(uint64_t seed, uint64_t n);
  std::string FailWhileStarting(uint64_t seed, uint64_t n, int error);
  // Calls of a start after a loss of power.
  uint64_t CallsOfStart(uint64_t seed);

 private:
  std::string CheckFrom(SimDisk& disk, bool power_loss, uint64_t seed);

  SimDisk disk_;
  LogHost host_;
  uint64_t first_call_ = 0;
  size_t operations_ = 0;
  std::string wrong_;
};

}  // namespace millrace::test
