#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::test {

// One thing that a broker does to one of its logs, or that happens to it. What `a` and `b` mean is
// said beside each; where they would ask for something impossible, the nearest possible is done, so
// that a plan still makes sense with some of its operations left out.
struct Operation {
  enum class Kind {
    kAppend,          // a: records, b: bytes of each value
    kAppendTogether,  // a: batches, b: bytes of each value
    kFlush,           //
    kWriteBack,       //
    kCheckpoint,      // of all logs
    kTruncate,        // a per mille of the way from start to end
    kReset,           // a: how far above the end
    kDeleteRecords,   // up to a per mille of the way from start to end
    kRetention,       // all but the last a segments go; 0: the active one is rolled first
    kRoll,            //
    kRest,            //
    kRead,            // from a per mille of the way
    kTimePasses,      // a: milliseconds
    kDeleteTopic,     //
    kCreateTopic,     // under the name that was deleted
    kRestart,         // cleanly
    kKill,            // the process dies and another one starts
    kDamageIndexes,   // the process ends (a: 0 cleanly, 1 dies), somebody damages indexes (b: how),
                      // another one starts
  };
  Kind kind;
  int log = 0;
  uint64_t a = 0;
  uint64_t b = 0;
};

using Plan = std::vector<Operation>;

// The workload of the exhaustive sweep: every kind of operation, in the states that matter.
Plan RecordedPlan();
// A longer one that a seed decides.
Plan RandomPlan(uint64_t seed, size_t operations);

std::string Describe(const Operation& operation);
// One numbered line for each of the first `count`.
std::string Describe(const Plan& plan, size_t count);

}  // namespace millrace::test
