// The fault sweep: one recorded workload, cut off after every prefix of its disk calls, and with
// every single call failing, on a disk that loses, tears and reorders whatever was not synced.
#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <string>

#include "test/support/log_model.h"

namespace millrace::test {
namespace {

constexpr uint64_t kMostCalls = 560;
#ifdef __SANITIZE_THREAD__
constexpr uint64_t kStride = 11;  // there is but one thread here, and it is thirty times slower
#else
constexpr uint64_t kStride = 1;
#endif

LogConfig TinySegments() {
  LogConfig config;
  config.segment_bytes = 12'000;  // pages of 4096 bytes, and batches that cross them
  config.index_interval_bytes = 1000;
  return config;
}

// Appends with acks=1 and acks=all mixed, rolls, truncation within a segment, into an older one and
// between two, a clean restart, an advanced start, an expiry of everything with rests around it, a
// reset. Ends early when the log says no.
bool RunWorkload(LogModel& model) {
  const auto append = [&](int count, int flush_every) {
    for (int i = 1; i <= count; ++i) {
      if (!model.Append(1 + i % 4, static_cast<size_t>(300 + i * 577 % 900))) return false;
      if (i % flush_every == 0 && !model.Flush()) return false;
      if (i % (2 * flush_every) == 0) model.Checkpoint();
    }
    return true;
  };
  if (!model.Open()) return false;
  if (!append(10, 4)) return false;
  if (!model.Truncate(model.end() - 5)) return false;  // into what was not flushed
  if (!append(7, 4)) return false;
  if (!model.Truncate(model.end() / 2))
    return false;  // back over a roll and over what was promised
  if (!append(7, 4)) return false;
  if (!model.CloseCleanly() || !model.Open()) return false;
  if (!append(6, 5)) return false;
  // A whole segment goes, and what is appended next ends exactly where it began.
  const Offset base = model.log().active_base_offset();
  const auto dropped = static_cast<int32_t>(base - model.boundary_before(base - 1));
  if (!model.Truncate(base - 1) || !model.Append(dropped, 500)) return false;
  if (!append(3, 2)) return false;
  if (!model.AdvanceStart(model.end() * 2 / 3)) return false;
  if (!append(5, 2)) return false;
  // Everything has expired, as retention sees it: the active segment is rolled and goes like the
  // others. The log has rested before, and is written again afterwards.
  if (!model.Flush()) return false;
  (void)model.log().Rest();
  if (!model.log().Roll().ok()) return false;
  if (!model.AdvanceStart(model.end())) return false;
  if (!append(4, 3)) return false;
  (void)model.log().Rest();
  if (!append(2, 2)) return false;
  if (!model.Reset(model.end() + 100)) return false;
  return append(5, 3);
}

uint64_t CallsOfWorkload() {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/data").ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  LogModel model(disk, TinySegments());
  REQUIRE(RunWorkload(model));
  const uint64_t calls = disk.call_count();
  REQUIRE(model.CheckContent() == "");
  return calls;
}

// Recovers what is on `disk`, goes on with it, and loses power twice more: straight after the
// recovery, and after more appends that were promised.
std::string RecoverTwice(const LogModel& before, SimDisk& disk, bool power_loss, uint64_t seed) {
  LogModel model = before.After(disk, power_loss);
  if (std::string wrong = model.RecoverAndCheck(); !wrong.empty())
    return "after the crash: " + wrong;
  {
    std::unique_ptr<SimDisk> again = disk.Reboot(seed + 1);
    LogModel second = model.After(*again, true);
    if (std::string wrong = second.RecoverAndCheck(); !wrong.empty()) {
      return "after a second crash straight after the recovery: " + wrong;
    }
  }
  for (int i = 0; i < 3; ++i) {
    if (!model.Append(2, 700)) return "the recovered log does not take an append";
  }
  if (!model.Flush()) return "the recovered log does not flush";
  if (!model.Append(1, 400)) return "the recovered log does not take an append";
  if (std::string wrong = model.CheckContent(); !wrong.empty()) return "going on: " + wrong;
  std::unique_ptr<SimDisk> again = disk.Reboot(seed + 2);
  LogModel second = model.After(*again, true);
  if (std::string wrong = second.RecoverAndCheck(); !wrong.empty())
    return "after a later crash: " + wrong;
  return "";
}

// The power goes while the log is being recovered, at some call of it.
std::string CrashWhileRecovering(const LogModel& before, SimDisk& crashed, uint64_t seed) {
  std::unique_ptr<SimDisk> disk = crashed.Reboot(seed);
  disk->CrashAfter(1 + seed % 23);
  LogModel model = before.After(*disk, true);
  if (model.Open() && !disk->crashed()) return "";
  std::unique_ptr<SimDisk> next = disk->Reboot(seed + 3);
  LogModel second = model.After(*next, true);
  if (std::string wrong = second.RecoverAndCheck(); !wrong.empty()) {
    return "after a crash during recovery: " + wrong;
  }
  return "";
}

}  // namespace

TEST_CASE(
    "fault sweep: no crash at any disk call takes what was promised, breaks the order or invents "
    "anything") {
  const uint64_t calls = CallsOfWorkload();
  MESSAGE("calls in the workload: " << calls);
  REQUIRE(calls <= kMostCalls);
  for (uint64_t n = 3; n <= calls + 1; n += kStride) {
    CAPTURE(n);
    SimDisk disk(n);
    REQUIRE(disk.MakeDirectory("/data").ok());
    REQUIRE(disk.SyncDirectory("/").ok());
    disk.CrashAfter(n);
    LogModel model(disk, TinySegments());
    (void)RunWorkload(model);

    std::unique_ptr<SimDisk> same_boot = disk.KillProcess(n);
    REQUIRE(RecoverTwice(model, *same_boot, false, n) == "");
    for (uint64_t seed = n * 100; seed < n * 100 + 6; ++seed) {
      CAPTURE(seed);
      std::unique_ptr<SimDisk> next_boot = disk.Reboot(seed);
      REQUIRE(RecoverTwice(model, *next_boot, true, seed) == "");
      REQUIRE(CrashWhileRecovering(model, disk, seed) == "");
    }
  }
}

TEST_CASE("fault sweep: no failure of any single disk call takes what was promised") {
  const uint64_t calls = CallsOfWorkload();
  for (int error : {ENOSPC, EIO, EMFILE}) {
    for (uint64_t n = 3; n <= calls; n += kStride) {
      CAPTURE(n);
      CAPTURE(error);
      SimDisk disk(n);
      REQUIRE(disk.MakeDirectory("/data").ok());
      REQUIRE(disk.SyncDirectory("/").ok());
      disk.FailCall(n, error);
      LogModel model(disk, TinySegments());
      const bool finished = RunWorkload(model);
      if (model.is_open() && !model.log().failed()) {
        REQUIRE(model.CheckContent() == "");
        // Whatever call failed, the log that has not failed goes on.
        REQUIRE(model.Append(3, 500));
        REQUIRE(model.Flush());
      } else if (model.is_open()) {
        REQUIRE(!finished);
        REQUIRE(!model.Append(3, 500));
        REQUIRE(!model.Flush());
      }
      std::unique_ptr<SimDisk> same_boot = disk.KillProcess(n);
      REQUIRE(RecoverTwice(model, *same_boot, false, n) == "");
      for (uint64_t seed = n * 100; seed < n * 100 + 2; ++seed) {
        CAPTURE(seed);
        std::unique_ptr<SimDisk> next_boot = disk.Reboot(seed);
        REQUIRE(RecoverTwice(model, *next_boot, true, seed) == "");
      }
    }
  }
}

}  // namespace millrace::test
