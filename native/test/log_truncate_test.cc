#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>

#include "core/log/log_services.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {

TEST_CASE(
    "truncation takes everything from the batch that holds the offset, and the log goes on there") {
  for (Offset offset : {1, 10, 31, 50, 77, 100}) {
    CAPTURE(offset);
    SimDisk disk;
    Subject log(disk, "/topic-0");
    log.AppendMany(60);
    log.Flush();
    REQUIRE(log->TruncateTo(offset).ok());
    CHECK(log.end() <= offset);
    CHECK(log.end() > offset - 3);
    CHECK(log->durable_offset() == log.end());
    const Offset end = log.end();
    CHECK(log.Content() == log.Appended(0, end - 1));
    CHECK(log->size_bytes() == log.Content().size());
    std::erase_if(log.batches, [&](const std::vector<std::byte>& batch) {
      BatchHeader header;
      return ParseBatchHeader(batch, &header).ok() && header.base_offset >= end;
    });
    log.AppendMany(30);
    CHECK(log.Content() == log.Appended());
    log.CloseAndOpen();
    CHECK(log.report.indexes_rebuilt == 0);
    CHECK(log.Content() == log.Appended());
    CHECK(FindMaxTimestamp(*log).offset == log.end() - 1);
  }
}

TEST_CASE(
    "a truncation that cuts nothing changes nothing, and one that cuts to a segment's start keeps "
    "the rest") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  const Offset base = log->active_base_offset();
  REQUIRE(log->TruncateTo(log.end()).ok());
  REQUIRE(log->TruncateTo(log.end() + 5).ok());
  CHECK(log.Content() == log.Appended());
  CHECK(log->durable_offset() == 0);
  REQUIRE(log->TruncateTo(base).ok());
  CHECK(log.end() == base);
  CHECK(log.Content() == log.Appended(0, base - 1));
  log.Flush();
  std::unique_ptr<SimDisk> next = disk.Reboot(6);
  Subject after(*next, "/topic-0", SmallSegments(), nullptr, OpenTrust::kReboot);
  CHECK(after.end() == base);
}

TEST_CASE("regions know whether a truncation took bytes from them") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(60);
  const Offset base = log->active_base_offset();
  FileRegion older = *log->Read(0, 1 << 20, INT64_MAX, true);
  FileRegion kept = *log->Read(base, 1, INT64_MAX, true);
  FileRegion cut = *log->Read(base, 1 << 20, INT64_MAX, true);
  CHECK(older.descriptor() >= 0);
  CHECK(FileRegion().Valid());
  CHECK(FileRegion().descriptor() == -1);
  REQUIRE(log->TruncateTo(log.end() - 1).ok());
  CHECK(older.Valid());
  CHECK(kept.Valid());
  CHECK(!cut.Valid());
  FileRegion fresh = *log->Read(base, 1 << 20, INT64_MAX, true);
  CHECK(fresh.Valid());
  REQUIRE(log->ResetTo(1000).ok());
  CHECK(!older.Valid());
  CHECK(!fresh.Valid());
}

TEST_CASE("a reset log is empty at its new offset, up or down, and durable there") {
  for (Offset offset : {0, 5, 1000}) {
    CAPTURE(offset);
    SimDisk disk;
    Subject log(disk, "/topic-0");
    log.AppendMany(60);
    REQUIRE(log->ResetTo(offset).ok());
    CHECK(log->log_start_offset() == offset);
    CHECK(log.end() == offset);
    CHECK(log->durable_offset() == offset);
    CHECK(log->size_bytes() == 0);
    std::unique_ptr<SimDisk> next = disk.Reboot(0);
    Subject after(*next, "/topic-0", SmallSegments(), nullptr, OpenTrust::kReboot);
    after.Open(OpenTrust::kReboot, offset, offset);
    CHECK(after.end() == offset);
    log.batches.clear();
    log.AppendMany(30);
    CHECK(log.Content() == log.Appended());
    log.CloseAndOpen();
    CHECK(log.Content() == log.Appended());
  }
}

TEST_CASE("an advanced start removes whole segments, and regions of them stay readable") {
  TemporaryDirectory directory;
  LogServices services(64, LogServices::Background::kThread);
  Subject log(PosixDisk(), directory.path() + "/topic-0", SmallSegments(), &services);
  log.AppendMany(60);
  FileRegion region = *log->Read(0, 1 << 20, INT64_MAX, true);
  const std::vector<std::byte> before = BytesOf(region);
  REQUIRE(log->AdvanceStart(70).ok());
  services.Drain();
  CHECK(!FileExists(PosixDisk(), log.LogPath(0)));
  CHECK(!FileExists(PosixDisk(), log.Path("00000000000000000000.index")));
  CHECK(region.Valid());
  CHECK(BytesOf(region) == before);
  CHECK(log->log_start_offset() == 70);
  CHECK(log->Read(69, 1, INT64_MAX, true).status().code() == Code::kOffsetOutOfRange);
  REQUIRE(log->AdvanceStart(20).ok());
  CHECK(log->log_start_offset() == 70);
  CHECK(log->AdvanceStart(log.end() + 1).code() == Code::kOffsetOutOfRange);
  log.Flush();  // also of segments that are gone
  REQUIRE(log->AdvanceStart(log.end()).ok());
  CHECK(log->Read(log.end(), 1, INT64_MAX, true)->length() == 0);
  log.CloseAndOpen();
  CHECK(log->log_start_offset() == log.end());
}

TEST_CASE("a truncation below the log start begins anew") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  REQUIRE(log->AdvanceStart(70).ok());
  REQUIRE(log->TruncateTo(30).ok());
  CHECK(log->log_start_offset() == 30);
  CHECK(log.end() == 30);
}

TEST_CASE("a full disk refuses the append, nothing moves, and the log goes on when there is room") {
  SimDisk disk;
  disk.SetCapacity(100'000);
  Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 300});
  Status status;
  while (status.ok()) {
    REQUIRE(log.batches.size() < 1000);
    status = log.Append({.value_bytes = 3000, .content = log.batches.size()});
  }
  CHECK(status.code() == Code::kNoSpace);
  CHECK(!log->failed());
  CHECK(log.batches.size() > 20);
  CHECK(log.Content() == log.Appended());
  CHECK(log.Append({.value_bytes = 3000}).code() == Code::kNoSpace);
  log.Flush();
  disk.SetCapacity(1'000'000);
  for (int i = 0; i < 20; ++i)
    REQUIRE(log.Append({.value_bytes = 3000, .content = 5000 + uint64_t(i)}).ok());
  CHECK(log.Content() == log.Appended());
  disk.SetCapacity(0);  // full: a clean stop and start work
  log.CloseAndOpen();
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("an append that failed half way leaves nothing behind a shorter one") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{});
  log.AppendMany(3);
  for (int attempt = 0; attempt < 20; ++attempt) {
    disk.FailCall(disk.call_count() + 1, EIO);
    REQUIRE(log.Append({.value_bytes = 9000, .content = 1}).code() == Code::kIoError);
    CHECK(!log->failed());
    REQUIRE(log.Append({.value_bytes = 10, .content = uint64_t(attempt)}).ok());
    std::unique_ptr<SimDisk> next = disk.KillProcess();
    Subject after(*next, "/topic-0", LogConfig{}, nullptr, OpenTrust::kSameBoot);
    CHECK(after.Content() == log.Appended());
    CHECK(after.report.cut_bytes == 0);
  }
}

TEST_CASE(
    "a truncation into the batch that holds the log start leaves an empty log at that start") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{});
  REQUIRE(log.Append({.records = 4}).ok());
  REQUIRE(log.Append({.records = 4, .content = 1}).ok());
  REQUIRE(log->AdvanceStart(6).ok());
  REQUIRE(log->TruncateTo(7).ok());
  CHECK(log->log_start_offset() == 6);
  CHECK(log.end() == 6);  // not 4: what came next would lie below the start and never be read
  Appended appended;
  REQUIRE(log.Append({.content = 2}, {}, &appended).ok());
  CHECK(appended.base_offset == 6);
  CHECK(log.Content() == log.batches.back());
  log.Flush();
  log.Drop();
  log.Open(OpenTrust::kSameBoot, 6, 6);
  CHECK(log.Content() == log.batches.back());
}

TEST_CASE("a log that failed while it was cut counts nothing above the cut as durable") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(60);
  log.Flush();
  REQUIRE(log->durable_offset() == log.end());
  const Offset cut = log.end() / 2;
  const std::vector<SimCall> before = disk.calls();
  SUBCASE("to an offset") {
    disk.FailFrom(before.size() + 1, EIO, MaskOf(SimCallKind::kSync));
    REQUIRE(!log->TruncateTo(cut).ok());
  }
  SUBCASE("to nothing") {
    disk.FailFrom(before.size() + 1, EIO, MaskOf(SimCallKind::kSyncDirectory));
    REQUIRE(!log->ResetTo(cut).ok());
  }
  CHECK(log->failed());
  // A recovery point that was taken from here would call the next start's shorter log damaged.
  CHECK(log->durable_offset() <= cut);
  CHECK(log->log_start_offset() <= log.end());
}

TEST_CASE("a file that somebody else cut fails the log instead of the process") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0", LogConfig{});
  log.AppendMany(300);
  REQUIRE(log.Content() == log.Appended());
  Result<std::shared_ptr<File>> file = PosixDisk().Open(log.LogPath(0), OpenMode::kReadWrite);
  REQUIRE(file.ok());
  REQUIRE((*file)->Truncate(4096).ok());
  CHECK(!ReadWaiting(*log, log.end() / 2, 100, INT64_MAX, true).ok());
  CHECK(log->failed());
  CHECK(log.Append({}).code() == Code::kFailed);
}

}  // namespace millrace::test
