#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>

#include "core/log/log_services.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

size_t CountCalls(const SimDisk& disk, SimCallKind kind, size_t from = 0) {
  size_t count = 0;
  std::vector<SimCall> calls = disk.calls();
  for (size_t i = from; i < calls.size(); ++i) count += calls[i].kind == kind;
  return count;
}

}  // namespace

TEST_CASE(
    "a flush makes durable what was written when it began, the names included, and then has "
    "nothing to do") {
  SimDisk disk;
  REQUIRE(disk.MakeDirectory("/data").ok());
  REQUIRE(disk.SyncDirectory("/").ok());
  Subject log(disk, "/data/topic-0");
  log.AppendMany(40);
  CHECK(log->durable_offset() == 0);
  log.Flush();
  CHECK(log->durable_offset() == log.end());
  const size_t calls = disk.call_count();
  log.Flush();
  CHECK(disk.call_count() == calls);
  std::unique_ptr<SimDisk> next = disk.Reboot(0);
  Subject after(*next, "/data/topic-0", SmallSegments(), nullptr, OpenTrust::kReboot);
  CHECK(after.end() == log.end());
  CHECK(after.Content() == log.Appended());
  log.AppendMany(1);
  const size_t before = disk.call_count();
  log.Flush();
  CHECK(CountCalls(disk, SimCallKind::kSync, before) == 1);
  CHECK(CountCalls(disk, SimCallKind::kSyncDirectory, before) == 0);
}

TEST_CASE("a rolled segment is trimmed and synced before anything behind it counts as durable") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(40);
  const std::string first = log.LogPath(0);
  CHECK(ReadFile(disk, first).size() % 4096 == 0);
  log->StartWriteBack();
  CHECK(CountCalls(disk, SimCallKind::kStartWriteBack) > 1);
  log.Flush();
  CHECK(ReadFile(disk, first).size() < 4096);
  std::vector<std::string> order;
  for (const SimCall& call : disk.calls()) {
    if (call.kind == SimCallKind::kSync) order.push_back(call.path);
  }
  CHECK(order.back() != first);
}

TEST_CASE("the indexes of a rolled segment are durable with it") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(40);
  log.Flush();
  for (uint64_t seed = 0; seed < 12; ++seed) {
    std::unique_ptr<SimDisk> next = disk.Reboot(seed);
    OpenReport report;
    Result<std::unique_ptr<Log>> after =
        Log::Open(*next, "/topic-0", log.config, OpenTrust::kReboot, log.end(), 0, &report);
    REQUIRE(after.ok());
    CHECK(report.segments > 1);
    CHECK(report.indexes_rebuilt == 1);  // the active segment's
  }
}

TEST_CASE("a failed sync is the end of the log's writing, and is not tried again") {
  for (SimCallKind kind : {SimCallKind::kSync, SimCallKind::kSyncDirectory}) {
    SimDisk disk;
    Subject log(disk, "/topic-0");
    log.AppendMany(3);
    // The first flush of a new log: parent, directory, a look at the file, file.
    const uint64_t failing = disk.call_count() + (kind == SimCallKind::kSync ? 4 : 2);
    disk.FailCall(failing, EIO);
    Result<DurablePoint> point = log->Flush();
    REQUIRE(!point.ok());
    CHECK(disk.calls()[failing - 1].kind == kind);
    CHECK(point.status().code() == Code::kIoError);
    CHECK(log->failed());
    CHECK(log->durable_offset() == 0);
    const size_t calls = disk.call_count();
    CHECK(log->Flush().status().code() == Code::kFailed);
    CHECK(log.Append({}).code() == Code::kFailed);
    CHECK(log->Roll().code() == Code::kFailed);
    CHECK(log->TruncateTo(0).code() == Code::kFailed);
    CHECK(CountCalls(disk, SimCallKind::kSync, calls) == 0);
    CHECK(log.Content() == log.Appended());  // reads go on
    CHECK(log->Close(true).code() == Code::kFailed);
  }
}

TEST_CASE("a file that somebody else cut is not called durable, and not filled up with zeros") {
  for (const std::string found_by : {"growth", "flush", "flush together with others"}) {
    CAPTURE(found_by);
    SimDisk disk;
    Subject log(disk, "/topic-0");
    log.AppendMany(3);
    log.Flush();
    const Offset durable = log.end();
    Result<std::shared_ptr<File>> file =
        disk.Open("/topic-0/00000000000000000000.log", OpenMode::kReadWrite);
    REQUIRE(file.ok());
    REQUIRE((*file)->Truncate(10).ok());
    if (found_by == "growth") {
      Status status;
      for (int i = 0; status.ok() && i < 100'000; ++i) status = log.Append({});
      CHECK(status.code() == Code::kCorrupt);
    } else if (found_by == "flush") {
      REQUIRE(log.Append({}).ok());
      CHECK(log->Flush().status().code() == Code::kCorrupt);
    } else {
      REQUIRE(log.Append({}).ok());
      log->BeginFlush();
      CHECK(!log->EndFlush(true).ok());
    }
    CHECK(log->failed());
    CHECK(log->durable_offset() == durable);
  }
}

TEST_CASE("a missing descriptor fails no log as long as idle ones can be closed") {
  SimDisk disk;
  LogServices services(16, LogServices::Background::kInline);
  Subject other(disk, "/topic-1", SmallSegments(), &services);
  Subject log(disk, "/topic-0", SmallSegments(), &services);
  log.AppendMany(3);
  disk.FailCall(disk.call_count() + 1, EMFILE);
  log.Flush();
  CHECK(!log->failed());
}

TEST_CASE(
    "one thread appends and reads, one flushes, and readers on other threads see only what was "
    "written") {
  TemporaryDirectory directory;
  LogServices services(8, LogServices::Background::kThread);
  LogConfig config;
  config.segment_bytes = 64 << 10;
  Subject log(PosixDisk(), directory.path() + "/topic-0", config, &services);
  std::atomic<bool> done{false};
  std::mutex mutex;
  std::vector<FileRegion> regions;

  std::thread flusher([&] {
    while (!done.load()) {
      log->StartWriteBack();
      if (!log->Flush().ok()) std::abort();
    }
  });
  std::thread sender([&] {
    while (!done.load()) {
      std::vector<FileRegion> mine;
      {
        std::lock_guard lock(mutex);
        mine.swap(regions);
      }
      for (const FileRegion& region : mine) {
        std::vector<std::byte> bytes = BytesOf(region);
        if (!region.Valid()) continue;
        for (size_t at = 0; at < bytes.size();) {
          BatchHeader header;
          std::span<const std::byte> rest = std::span(bytes).subspan(at);
          if (!ParseBatchHeader(rest, &header).ok()) std::abort();
          if (!BatchChecksumHolds(rest.first(static_cast<size_t>(header.size_bytes)))) std::abort();
          at += static_cast<size_t>(header.size_bytes);
        }
      }
    }
  });
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(log.Append({.records = 2, .value_bytes = 50, .content = uint64_t(i)}).ok());
    Result<FileRegion> region = ReadWaiting(*log, i * 7 % log.end(), 20'000, log.end(), true);
    REQUIRE((region.ok() || region.status().code() == Code::kOffsetOutOfRange));
    if (region.ok()) {
      std::lock_guard lock(mutex);
      regions.push_back(std::move(*region));
    }
    if (i % 500 == 499) {
      REQUIRE(log->TruncateTo(log.end() - 40).ok());
      while (log.batches.size() > static_cast<size_t>(log.end() / 2)) log.batches.pop_back();
    }
    if (i == 2000) REQUIRE(log->AdvanceStart(log.end() / 2).ok());
  }
  done = true;
  flusher.join();
  sender.join();
  log.Flush();
  const std::vector<std::byte> content = log.Content();
  const std::vector<std::byte> all = log.Appended();
  CHECK(std::equal(content.rbegin(), content.rend(), all.rbegin()));
  log.CloseAndOpen();
  CHECK(log.Content() == content);
}

}  // namespace millrace::test
