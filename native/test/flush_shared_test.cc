#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/log/flush_pool.h"
#include "core/log/log_services.h"
#include "test/support/log_subject.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

constexpr size_t kLogs = 5;
constexpr uint64_t kSeeds = 24;
constexpr uint64_t kRounds = 80;

// Small logs that are written a little and synced often, all in one pass of a pool, on a disk whose
// files share flushes of the device.
struct Crowd {
  SimDisk disk;
  LogServices services{64, LogServices::Background::kInline};
  std::unique_ptr<FlushPool> pool;
  std::vector<std::unique_ptr<Subject>> logs;
  Random random;
  const bool large_batches;  // they fill the blocks that were written ahead; the others' logs roll

  explicit Crowd(uint64_t seed) : disk(seed), random(seed), large_batches(random.Chance(2)) {
    disk.ShareFlushes();
    FlushPoolOptions options;
    options.threads = 0;
    pool = *FlushPool::Create(options);
    LogConfig config = SmallSegments();
    if (large_batches) config.segment_bytes = 16 << 20;
    for (size_t i = 0; i < kLogs; ++i) {
      logs.push_back(std::make_unique<Subject>(disk, PathOf(i), config, &services));
      pool->Add(i, &**logs.back());
    }
  }
  ~Crowd() {
    for (size_t i = 0; i < kLogs; ++i) pool->Remove(i);
  }
  static std::string PathOf(size_t i) { return "/t-" + std::to_string(i); }

  void AppendToSome() {
    for (size_t i = 0; i < kLogs; ++i) {
      if (random.Chance(4)) continue;
      Subject& log = *logs[i];
      const size_t value_bytes = 100 + random.Below(large_batches ? 12000 : 600);
      const BatchPlan plan{
          .value_bytes = value_bytes, .content = random.Next(), .base_timestamp = 1000 + log.end()};
      REQUIRE(log.Append(plan).ok());
      pool->Dirty(i, 1);
      pool->Wait(i);
    }
  }
  void Rest() {
    const size_t i = random.Below(kLogs);
    (void)(**logs[i]).Rest();
  }
  void Flush() {
    pool->RunOnce(1);
    std::array<FlushCompletion, kLogs> news;
    while (pool->Drain(news) > 0) {
    }
  }
  void CheckAfterPowerLoss(uint64_t seed) {
    const std::unique_ptr<SimDisk> next = disk.Reboot(seed);
    for (size_t i = 0; i < kLogs; ++i) {
      CAPTURE(i);
      Subject& log = *logs[i];
      auto again = Log::Open(*next, PathOf(i), log.config, OpenTrust::kReboot, 0, 0, nullptr);
      REQUIRE(again.ok());
      REQUIRE((*again)->log_end_offset() >= log->durable_offset());
      const std::vector<std::byte> there = ReadAll(**again, 0, (*again)->log_end_offset());
      const std::vector<std::byte> appended = log.Appended();
      REQUIRE(there.size() <= appended.size());
      REQUIRE(std::equal(there.begin(), there.end(), appended.begin()));
    }
  }
  uint64_t Syncs() const {
    const std::vector<SimCall> calls = disk.calls();
    return static_cast<uint64_t>(std::count_if(calls.begin(), calls.end(), [](const SimCall& call) {
      return call.kind == SimCallKind::kSync;
    }));
  }
};

}  // namespace

TEST_CASE("what shared flushes made durable is there after a power loss") {
  uint64_t passes = 0;
  uint64_t syncs = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Crowd crowd(seed);
    for (uint64_t round = 0; round < kRounds; ++round) {
      CAPTURE(round);
      crowd.AppendToSome();
      crowd.Flush();
      if (crowd.random.Chance(8)) crowd.Rest();
      if (crowd.random.Chance(3)) crowd.CheckAfterPowerLoss(seed + round);
    }
    passes += kRounds;
    syncs += crowd.Syncs();
  }
  // Else it has shown nothing: each of the logs would be synced in each pass.
  CHECK(syncs < passes * 3);
}

}  // namespace millrace::test
