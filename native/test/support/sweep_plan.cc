#include "test/support/sweep_plan.h"

#include <iterator>

#include "test/support/random.h"

namespace millrace::test {
namespace {

using Kind = Operation::Kind;

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kAppend:
      return "append";
    case Kind::kAppendTogether:
      return "append together";
    case Kind::kFlush:
      return "flush";
    case Kind::kWriteBack:
      return "write back";
    case Kind::kCheckpoint:
      return "checkpoint";
    case Kind::kTruncate:
      return "truncate";
    case Kind::kReset:
      return "reset";
    case Kind::kDeleteRecords:
      return "delete records";
    case Kind::kRetention:
      return "retention";
    case Kind::kRoll:
      return "roll";
    case Kind::kRest:
      return "rest";
    case Kind::kRead:
      return "read";
    case Kind::kTimePasses:
      return "time passes";
    case Kind::kDeleteTopic:
      return "delete topic";
    case Kind::kCreateTopic:
      return "create topic";
    case Kind::kRestart:
      return "restart";
    case Kind::kKill:
      return "kill";
    case Kind::kDamageIndexes:
      return "damage indexes";
  }
  return "?";
}

// Appends with acks=1 and acks=all mixed.
void Append(Plan* plan, int log, int count, int flush_every) {
  for (int i = 1; i <= count; ++i) {
    const auto nth = static_cast<uint64_t>(i);
    plan->push_back({Kind::kAppend, log, 1 + nth % 4, 300 + nth * 577 % 900});
    if (i % flush_every == 0) plan->push_back({Kind::kFlush, log});
    if (i % (2 * flush_every) == 0) plan->push_back({Kind::kCheckpoint});
  }
}

}  // namespace

Plan RecordedPlan() {
  Plan plan;
  const auto add = [&](const Plan& more) { plan.insert(plan.end(), more.begin(), more.end()); };
  // Rolled before anything of it was flushed.
  add({{Kind::kAppend, 2, 2, 500}, {Kind::kRoll, 2}, {Kind::kAppend, 2, 1, 300}});
  Append(&plan, 0, 9, 4);
  add({{Kind::kTruncate, 0, 700}});  // into what was not flushed
  Append(&plan, 0, 6, 4);
  Append(&plan, 1, 8, 3);            // rolls when an index is full
  add({{Kind::kTruncate, 0, 450}});  // back over a roll, and over what was promised
  Append(&plan, 0, 6, 4);
  add({{Kind::kRead, 0, 300}, {Kind::kRead, 1, 900}});
  // Within a segment, and over a roll.
  add({{Kind::kAppendTogether, 0, 4, 200}, {Kind::kFlush, 0}, {Kind::kAppendTogether, 0, 5, 400}});
  // DeleteRecords into the middle of a batch, and a truncation into that batch.
  Append(&plan, 2, 5, 2);
  add({{Kind::kDeleteRecords, 2, 520}, {Kind::kTruncate, 2, 10}});
  Append(&plan, 2, 4, 3);
  // An idle log, a roll for its age, and one without a cause.
  add({{Kind::kFlush, 1}, {Kind::kRest, 1}, {Kind::kTimePasses, 0, 70'000}});
  Append(&plan, 1, 3, 2);
  add({{Kind::kRoll, 2}, {Kind::kWriteBack, 2}, {Kind::kRestart}});
  Append(&plan, 0, 6, 5);
  // A topic goes while its records are dirty, and another one gets its name.
  add({{Kind::kDeleteTopic, 1}, {Kind::kFlush, 0}, {Kind::kCreateTopic, 1}});
  Append(&plan, 1, 5, 2);
  add({{Kind::kRetention, 0, 2}, {Kind::kDeleteRecords, 0, 400}});
  Append(&plan, 0, 4, 2);
  add({{Kind::kKill}, {Kind::kRead, 0, 500}});
  Append(&plan, 2, 5, 2);
  add({{Kind::kDamageIndexes, 2, 0, 0}, {Kind::kRead, 2, 100}});
  Append(&plan, 2, 2, 2);
  add({{Kind::kDamageIndexes, 0, 1, 5}});
  Append(&plan, 0, 3, 2);
  // Everything has expired, as retention sees it, around rests.
  add({{Kind::kFlush, 0}, {Kind::kRest, 0}, {Kind::kRetention, 0, 0}});
  Append(&plan, 0, 4, 3);
  add({{Kind::kReset, 2, 100}});
  Append(&plan, 2, 3, 2);
  add({{Kind::kFlush, 2}, {Kind::kReset, 2, 300, 1}});
  Append(&plan, 2, 2, 1);
  // The new topic goes, too, and its name is taken again after a restart.
  add({{Kind::kDeleteTopic, 1}, {Kind::kKill}, {Kind::kCreateTopic, 1}});
  Append(&plan, 1, 3, 2);
  add({{Kind::kCheckpoint}, {Kind::kFlush, 0}});
  return plan;
}

Plan RandomPlan(uint64_t seed, size_t operations) {
  struct Weight {
    Kind kind;
    uint64_t weight;
  };
  static constexpr Weight kWeights[] = {
      {Kind::kAppend, 60},       {Kind::kFlush, 14},        {Kind::kWriteBack, 2},
      {Kind::kCheckpoint, 5},    {Kind::kTruncate, 4},      {Kind::kReset, 1},
      {Kind::kDeleteRecords, 3}, {Kind::kRetention, 3},     {Kind::kRoll, 3},
      {Kind::kRest, 3},          {Kind::kRead, 3},          {Kind::kTimePasses, 2},
      {Kind::kDeleteTopic, 2},   {Kind::kCreateTopic, 4},   {Kind::kRestart, 1},
      {Kind::kKill, 1},          {Kind::kDamageIndexes, 1}, {Kind::kAppendTogether, 12},
  };
  uint64_t total = 0;
  for (const Weight& each : kWeights) total += each.weight;

  Random random(seed);
  Plan plan;
  while (plan.size() < operations) {
    uint64_t drawn = random.Below(total);
    const Weight* chosen = std::begin(kWeights);
    while (drawn >= chosen->weight) drawn -= chosen++->weight;
    Operation operation{chosen->kind, static_cast<int>(random.Below(3)), random.Below(1001), 0};
    switch (operation.kind) {
      case Kind::kAppend:
        operation.a = 1 + random.Below(5);
        operation.b = random.Chance(8) ? random.Below(2200) : random.Below(900);
        break;
      case Kind::kAppendTogether:
        operation.a = 1 + random.Below(8);
        operation.b = random.Below(600);
        break;
      case Kind::kTruncate:  // mostly near the end
        if (!random.Chance(3)) operation.a = 1000 - random.Below(250);
        break;
      case Kind::kReset:
        operation.b = random.Below(2);
        break;
      case Kind::kDeleteRecords:
        if (!random.Chance(4)) operation.a = random.Below(400);
        break;
      case Kind::kRetention:
        operation.a = random.Below(4);
        break;
      case Kind::kTimePasses:
        operation.a = random.Below(100'000);
        break;
      case Kind::kDamageIndexes:
        operation.a = random.Below(2);
        operation.b = random.Below(1000);
        break;
      default:
        break;
    }
    plan.push_back(operation);
  }
  return plan;
}

std::string Describe(const Operation& operation) {
  return std::string(NameOf(operation.kind)) + ", log " + std::to_string(operation.log) + ", " +
         std::to_string(operation.a) + ", " + std::to_string(operation.b);
}

std::string Describe(const Plan& plan, size_t count) {
  std::string text;
  for (size_t i = 0; i < plan.size() && i < count; ++i)
    text += std::to_string(i + 1) + ". " + Describe(plan[i]) + "\n";
  return text;
}

}  // namespace millrace::test
