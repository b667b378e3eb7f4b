// A cleaned segment takes the place of others: cut off and failing at every disk call, and beside
// everything else that a log does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "core/log/log_services.h"
#include "core/log/log_view.h"
#include "core/log/replacement.h"
#include "test/support/keyed_log.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

using Content = std::vector<std::byte>;

void FillForSwap(KeyedLog& log) {
  Random random(11);
  log.Fill(random, 45, 12, false);
  log.Seal();
  log.Put("key-1", "last");
  if (!log->Flush().ok()) std::abort();
  log.config.segment_bytes = 6000;  // for the pass: several segments become one
}

// What the log may hold: as it was, and after each group.
std::vector<Content> Stages() {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  FillForSwap(log);
  std::vector<Content> stages{log.Content()};
  FakeCodecs codecs;
  CleanPass pass(*disk, TaskFor(*log, log.directory, log.config, {}), codecs);
  REQUIRE(pass.BuildMap().ok());
  for (;;) {
    auto group = pass.NextGroup();
    REQUIRE(group.ok());
    if (!group->has_value()) break;
    REQUIRE(log->ReplaceSegments((*group)->bases).ok());
    stages.push_back(log.Content());
  }
  REQUIRE(stages.size() > 2);
  return stages;
}

bool IsStage(const std::vector<Content>& stages, const Content& content) {
  return std::find(stages.begin(), stages.end(), content) != stages.end();
}

// Opens what a crash left, cleans it and opens it again: nothing but whole stages is ever seen.
std::string CheckRecovered(KeyedLog& log, Disk& disk, OpenTrust trust, Offset end,
                           const std::vector<Content>& stages) {
  log.MoveTo(disk);
  if (log.TryOpen(trust, end) != Code::kOk) return "it does not open";
  if (!IsStage(stages, log.Content())) return "a mix was found";
  if (NamesWith(disk, log.directory, ".cleaned") + NamesWith(disk, log.directory, ".swap") != 0)
    return "files were left over";
  if (!log.CleanAll().status.ok()) return "it cannot be cleaned";
  if (log.Records() != RecordsOf(stages.back())) return "cleaned again it is not what it should be";
  if (log.TryOpen(trust, end) != Code::kOk) return "it does not open a second time";
  if (log.Records() != RecordsOf(stages.back())) return "it was not replaced for good";
  return "";
}

}  // namespace

TEST_CASE("cleaning cut off at any disk call leaves the old segments or the new one") {
  const std::vector<Content> stages = Stages();
  uint64_t before = 0;
  uint64_t after = 0;
  {
    auto disk = NewCleanedDisk();
    KeyedLog log(*disk);
    FillForSwap(log);
    before = disk->call_count();
    REQUIRE(log.CleanAll().status.ok());
    after = disk->call_count();
  }
  MESSAGE("calls of the pass and its swaps: " << after - before);
  for (uint64_t n = before + 1; n <= after + 1; ++n) {
    CAPTURE(n);
    auto disk = NewCleanedDisk(n);
    KeyedLog log(*disk);
    FillForSwap(log);
    const Offset end = log.end();
    disk->CrashAfter(n);
    (void)log.CleanAll();
    auto same_boot = disk->KillProcess(n);
    REQUIRE(CheckRecovered(log, *same_boot, OpenTrust::kSameBoot, end, stages) == "");
    for (uint64_t seed = n * 10; seed < n * 10 + 5; ++seed) {
      CAPTURE(seed);
      auto next_boot = disk->Reboot(seed);
      REQUIRE(CheckRecovered(log, *next_boot, OpenTrust::kReboot, end, stages) == "");
      // The power goes again while that start finishes what was begun.
      auto again = disk->Reboot(seed);
      again->CrashAfter(1 + seed % 12);
      log.MoveTo(*again);
      (void)log.TryOpen(OpenTrust::kReboot, end);
      auto third = again->Reboot(seed + 1);
      REQUIRE(CheckRecovered(log, *third, OpenTrust::kReboot, end, stages) == "");
    }
  }
}

TEST_CASE("cleaning survives the failure of any single disk call") {
  const std::vector<Content> stages = Stages();
  for (const int error : {EIO, ENOSPC, EMFILE}) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(error);
      CAPTURE(n);
      auto disk = NewCleanedDisk(n);
      KeyedLog log(*disk);
      FillForSwap(log);
      const Offset end = log.end();
      const uint64_t before = disk->call_count();
      disk->FailCall(before + n, error);
      const CleanResult result = log.CleanAll();
      if (disk->call_count() < before + n) break;
      REQUIRE(IsStage(stages, log.Content()));
      if (log->failed()) {
        REQUIRE(!result.status.ok());
      } else {
        REQUIRE(log.CleanAll().status.ok());
        REQUIRE(log.Records() == RecordsOf(stages.back()));
      }
      // Cleaned in two goes, the segments are grouped in another way.
      std::vector<Content> possible = stages;
      possible.insert(possible.begin(), log.Content());
      auto same_boot = disk->KillProcess(n);
      REQUIRE(CheckRecovered(log, *same_boot, OpenTrust::kReboot, end, possible) == "");
    }
  }
}

TEST_CASE("cleaning beside truncation, a moved start, a reset, rolls and a close") {
  enum Operation { kTruncate, kTruncateFar, kAdvance, kAdvanceFar, kReset, kAppend, kOperations };
  for (int operation = 0; operation < kOperations; ++operation) {
    for (int moment = 0; moment < 4; ++moment) {
      CAPTURE(operation);
      CAPTURE(moment);
      auto disk = NewCleanedDisk();
      KeyedLog log(*disk);
      FillForSwap(log);
      FakeCodecs codecs;
      CleanPass pass(*disk, TaskFor(*log, log.directory, log.config, {}), codecs);
      REQUIRE(pass.BuildMap().ok());
      auto group = pass.NextGroup();
      REQUIRE(group.ok());
      const std::vector<Offset> bases = (*group)->bases;
      const Offset first_segment_end = [&] {
        std::vector<SegmentFacts> facts(64);
        const size_t count = *log->ListSegments(false, facts);
        REQUIRE(count > bases.size() + 1);
        return facts[bases.size()].base_offset;
      }();
      const Content before = log.Content();
      disk->SetTime(77'000);
      const auto run = [&](int now) {
        if (now != moment) return;
        switch (operation) {
          case kTruncate:
            REQUIRE(log->TruncateTo(first_segment_end / 2).ok());
            break;
          case kTruncateFar:
            REQUIRE(log->TruncateTo(first_segment_end + 3).ok());
            break;
          case kAdvance:
            REQUIRE(log->AdvanceStart(first_segment_end / 2).ok());
            break;
          case kAdvanceFar:
            REQUIRE(log->AdvanceStart(first_segment_end + 2).ok());
            break;
          case kReset:
            REQUIRE(log->ResetTo(first_segment_end + 500).ok());
            break;
          case kAppend:
            log.Put("new", "value");
            log.Seal();
            log.Put("new", "more");
            break;
        }
      };
      run(0);
      auto replacement = log->BeginReplacement(bases);
      REQUIRE(replacement.ok());
      run(1);
      const Status committed = (*replacement)->Commit();
      run(2);
      const Status finished = log->FinishReplacement(**replacement);
      run(3);
      REQUIRE(log->PendingRemovals()().ok());

      // Truncated, it has what was kept of the records below; and nothing of what was cut is back.
      const Offset start = log->log_start_offset();
      const std::vector<KeyedRecord> found = log.Records();
      const std::vector<KeyedRecord> whole = RecordsOf(before);
      const Offset cut = operation == kTruncate      ? first_segment_end / 2
                         : operation == kTruncateFar ? first_segment_end + 3
                         : operation == kReset       ? 0
                                                     : INT64_MAX;
      const std::vector<KeyedRecord> cleaned = ExpectKept(RecordsOf(before), INT64_MAX, true);
      for (const KeyedRecord& record : found) {
        if (record.key == "new") continue;
        REQUIRE(record.offset < cut);
        REQUIRE(std::find(whole.begin(), whole.end(), record) != whole.end());
      }
      for (const KeyedRecord& record : cleaned) {
        const bool there = std::find(found.begin(), found.end(), record) != found.end();
        // A batch that is cut within goes as a whole.
        if (record.offset >= start && record.offset + 4 < cut) REQUIRE(there);
      }
      if (operation == kAppend) {
        REQUIRE(finished.ok());
        REQUIRE(found.back().value == "more");
      }
      if (operation == kReset && moment < 2) REQUIRE(!finished.ok());
      if (operation == kAdvanceFar && moment < 3) REQUIRE(finished.code() == Code::kWouldBlock);
      (void)committed;
      REQUIRE(!log->failed());

      // And so it stays.
      log.Put("key-2", "behind");
      REQUIRE(log->Flush().ok());
      const Content now = log.Content();
      const Offset end = log.end();
      const Offset log_start = log->log_start_offset();
      REQUIRE(NamesWith(*disk, log.directory, ".swap") == 0);
      auto next_boot = disk->Reboot(5);
      log.MoveTo(*next_boot);
      REQUIRE(log.TryOpen(OpenTrust::kReboot, end, log_start) == Code::kOk);
      REQUIRE(log.Content() == now);
    }
  }
}

TEST_CASE("cleaning is refused its place when its sources were cut and written anew meanwhile") {
  auto disk = NewCleanedDisk();
  disk->SetTime(1000);
  KeyedLog log(*disk);
  log.Put("a", "old");
  log.Put("b", "old");
  log.Seal();
  log.Put("c", "old");
  FakeCodecs codecs;
  CleanPass pass(*disk, TaskFor(*log, log.directory, log.config, {}), codecs);
  REQUIRE(pass.BuildMap().ok());
  const auto group = pass.NextGroup();
  REQUIRE(group.ok());
  // The same offsets, the same segments, other records.
  disk->SetTime(2000);
  REQUIRE(log->TruncateTo(1).ok());
  log.Put("b", "new");
  log.Seal();
  log.Put("c", "new");
  const Content before = log.Content();
  CHECK(log->ReplaceSegments((*group)->bases).code() == Code::kWouldBlock);
  CHECK(log.Content() == before);
  CHECK(NamesWith(*disk, log.directory, ".cleaned") == 0);
}

TEST_CASE("cleaning leaves readers the files that they have, and never other bytes") {
  TemporaryDirectory directory;
  LogServices services(1, LogServices::Background::kInline);  // every file is soon closed
  KeyedLog log(PosixDisk(), directory.path() + "/t-0", CleanedSegments(), &services);
  FillForSwap(log);
  const Content before = log.Content();
  const std::vector<BatchHeader> headers = HeadersIn(before);
  std::vector<FileRegion> regions;
  std::vector<Content> promised;
  for (const BatchHeader& header : headers) {
    Result<FileRegion> region = ReadWaiting(*log, header.base_offset, 1, log.end(), true);
    REQUIRE(region.ok());
    promised.push_back(BytesOf(*region));
    if (regions.size() < 20) regions.push_back(std::move(*region));
  }
  std::unique_ptr<LogView> view = log->View(0);

  REQUIRE(log.CleanAll().status.ok());
  const Content after = log.Content();
  CHECK(after.size() < before.size());
  for (size_t i = 0; i < regions.size(); ++i) {
    CHECK(regions[i].Valid());
    CHECK(BytesOf(regions[i]) == promised[i]);
  }
  // A view of before: what it answers is what there was, or it says that the file is gone.
  int answered = 0;
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto region = view->Read(headers[i].base_offset, 1, log.end(), true);
    if (region.ok()) {
      ++answered;
      CHECK(BytesOf(*region) == promised[i]);
    } else {
      CHECK(region.status().code() == Code::kNotFound);
      CHECK(log->Learn(*view, region.status()).code() == Code::kWouldBlock);
    }
  }
  CHECK(answered > 0);
  CHECK(!log->failed());
  CHECK(log.Content() == after);
}

}  // namespace millrace::test
