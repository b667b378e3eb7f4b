#include <doctest/doctest.h>
#include <fcntl.h>

#include <future>
#include <memory>

#include "core/log/log_view.h"
#include "test/support/log_subject.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

Code CodeOfRead(Log& log, Offset offset) {
  Result<FileRegion> region = log.Read(offset, 1, INT64_MAX, true);
  return region.ok() ? Code::kOk : region.status().code();
}

}  // namespace

TEST_CASE("what left the cache is not waited for, and a view reads it") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 300});
  log.AppendMany(400);
  disk.EvictCache();
  CHECK(CodeOfRead(*log, 3) == Code::kWouldBlock);
  const std::unique_ptr<LogView> view = log->View(3, 8);
  Result<FileRegion> region = view->Read(3, 500, log.end(), true);
  REQUIRE(region.ok());
  REQUIRE(log->Learn(*view, Status::Ok()).ok());
  // The view's own reads have brought the pages back.
  Result<FileRegion> again = log->Read(3, 500, log.end(), true);
  REQUIRE(again.ok());
  CHECK(again->position() == region->position());
  CHECK(again->length() == region->length());
}

TEST_CASE("the newest batches are found without a look at the file") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{});
  log.AppendMany(400);
  const std::vector<BatchHeader> headers = HeadersOf(*log, 0, log.end());
  disk.EvictCache();
  const uint64_t calls = disk.call_count();
  for (size_t back = 1; back <= 60; ++back) {
    const BatchHeader& header = headers[headers.size() - back];
    for (Offset offset = header.base_offset; offset <= header.last_offset; ++offset) {
      Result<FileRegion> region = log->Read(offset, 1, INT64_MAX, true);
      REQUIRE(region.ok());
      CHECK(region->length() == static_cast<uint64_t>(header.size_bytes));
    }
    REQUIRE(log->Read(header.base_offset, 1 << 20, log.end(), true).ok());
    REQUIRE(log->Read(header.base_offset, 600, log.end(), true).ok());
    if (back > 1)
      REQUIRE(log->Read(header.base_offset, 1 << 20, header.last_offset + 1, true).ok());
  }
  CHECK(disk.call_count() == calls);
}

TEST_CASE("a view finds what lies behind a run of empty segments") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(300);
  REQUIRE(log->Close(true).ok());
  std::vector<Offset> bases;
  for (Offset base = 0; base < log.end(); ++base) {
    if (disk.Open(log.LogPath(base), OpenMode::kRead).ok()) bases.push_back(base);
  }
  REQUIRE(bases.size() > 14);
  for (size_t i = 1; i <= 12; ++i) WriteFile(disk, log.LogPath(bases[i]), {});
  log.Open(OpenTrust::kClean, 0);
  disk.EvictCache();
  const std::unique_ptr<LogView> view = log->View(bases[1], 8);
  Result<FileRegion> region = view->Read(bases[1], 500, log.end(), true);
  REQUIRE(region.ok());
  REQUIRE(region->length() > 0);
  CHECK(log->Learn(*view, Status::Ok()).ok());
  CHECK(BytesOf(*region) == log.Appended(bases[13], bases[13]));
}

TEST_CASE("cached or not, written or at rest, a read gives the same bytes") {
  for (uint64_t seed : {1, 2, 3}) {
    SimDisk disk(seed);
    Subject log(disk, "/topic-0");
    Random random(seed);
    log.AppendMany(120);
    for (int round = 0; round < 300; ++round) {
      if (random.Chance(10)) log.AppendMany(static_cast<int>(random.Below(5)));
      if (random.Chance(25)) log.CloseAndOpen();
      const Offset offset = static_cast<Offset>(random.Below(static_cast<uint64_t>(log.end())));
      const uint64_t max_bytes = random.Below(2000);
      Result<FileRegion> cached = ReadWaiting(*log, offset, max_bytes, log.end(), true);
      REQUIRE(cached.ok());
      disk.EvictCache();
      Result<FileRegion> cold = ReadWaiting(*log, offset, max_bytes, log.end(), true);
      REQUIRE(cold.ok());
      REQUIRE(cold->position() == cached->position());
      REQUIRE(BytesOf(*cold) == BytesOf(*cached));
    }
  }
}

TEST_CASE("a view that a truncation overtook is not believed") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(100);
  const Offset cut = log.end() - 5;
  const std::unique_ptr<LogView> view = log->View(cut - 20, 8);
  Result<FileRegion> region = view->Read(cut - 20, 1 << 20, log.end(), true);
  REQUIRE(region.ok());
  REQUIRE(log->TruncateTo(cut).ok());
  CHECK(log->Learn(*view, Status::Ok()).code() == Code::kWouldBlock);
  // Damage that it met may be the truncation's work.
  CHECK(log->Learn(*view, Status(Code::kCorrupt)).code() == Code::kWouldBlock);
  CHECK(!log->failed());
  const std::unique_ptr<LogView> fresh = log->View(cut - 20, 8);
  CHECK(log->Learn(*fresh, Status(Code::kCorrupt)).code() == Code::kCorrupt);
  CHECK(log->failed());
}

TEST_CASE("a view of segments that are removed sees them gone, and the log goes on") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(100);
  log.Flush();
  log.CloseAndOpen();
  const std::unique_ptr<LogView> view = log->View(0, 1);
  REQUIRE(log->AdvanceStart(log.end() - 3).ok());
  Result<FileRegion> region = view->Read(0, 100, log.end(), true);
  if (region.ok()) {
    CHECK(log->Learn(*view, Status::Ok()).ok());  // it was quicker than the removal
  } else {
    CHECK(log->Learn(*view, region.status()).code() == Code::kWouldBlock);
  }
  CHECK(!log->failed());
  CHECK(log->Read(0, 100, log.end(), true).status().code() == Code::kOffsetOutOfRange);
}

TEST_CASE("what a view finds out about times is kept") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(200);
  log.CloseAndOpen();
  std::unique_ptr<LogView> view = log->View(0);
  REQUIRE(view->segments().size() > 3);
  const TimestampPosition largest = *view->FindMaxTimestamp(0, log.end());
  REQUIRE(log->Learn(*view, Status::Ok()).ok());
  const uint64_t calls = disk.call_count();
  view = log->View(0);
  CHECK(view->FindMaxTimestamp(0, log.end())->offset == largest.offset);
  // Where the batch with it lies is all that was left to look up.
  CHECK(disk.call_count() - calls < 12);
}

TEST_CASE("records below the log start are not the latest, also within the batch it lies in") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  REQUIRE(log.Append({.records = 3, .base_timestamp = 900, .timestamp_step = -100}).ok());
  REQUIRE(log.Append({.records = 2, .base_timestamp = 750}).ok());
  REQUIRE(log->AdvanceStart(1).ok());
  TimestampPosition found = FindMaxTimestamp(*log);
  CHECK(found.offset == 1);
  CHECK(found.timestamp == 800);
  REQUIRE(log->AdvanceStart(2).ok());
  found = FindMaxTimestamp(*log);
  CHECK(found.offset == 4);
  CHECK(found.timestamp == 751);
  CHECK(FindTimestamp(*log, 760).offset == -1);
  CHECK(FindTimestamp(*log, 700).offset == 2);
}

TEST_CASE("views are read on other threads while the log is written, rolled, cut and trimmed") {
  TemporaryDirectory directory;
  LogServices services(8, LogServices::Background::kThread);
  LogConfig config;
  config.segment_bytes = 32 << 10;
  config.index_interval_bytes = 1000;
  Subject log(PosixDisk(), directory.path() + "/topic-0", config, &services);
  log.AppendMany(100);
  for (int i = 0; i < 300; ++i) {
    const Offset start = log->log_start_offset();
    const Offset offset = start + i * 37 % (log.end() - start);
    std::unique_ptr<LogView> view = log->View(start);
    auto reader = std::async(std::launch::async, [&view, offset, start] {
      Result<FileRegion> region = view->Read(offset, 5000, INT64_MAX, true);
      if (!region.ok()) return region.status();
      Result<TimestampPosition> largest = view->FindMaxTimestamp(start, INT64_MAX);
      if (!largest.ok()) return largest.status();
      std::vector<std::byte> bytes = BytesOf(*region);
      BatchHeader header;
      if (region->Valid() && !ParseBatchHeader(bytes, &header).ok()) std::abort();
      return Status::Ok();
    });
    log.AppendMany(10);
    if (i % 50 == 49) {
      REQUIRE(log->TruncateTo(log.end() - 30).ok());
      log.batches.clear();
    }
    if (i % 70 == 69) REQUIRE(log->AdvanceStart(log.end() - 200).ok());
    const Status outcome = reader.get();
    const Status learned = log->Learn(*view, outcome);
    CHECK((learned.ok() || learned.code() == Code::kWouldBlock));
  }
  CHECK(!log->failed());
}

TEST_CASE("the real disk tells what it would have to fetch") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/file";
  std::vector<std::byte> content(64 << 10, std::byte{7});
  WriteFile(PosixDisk(), path, content);
  auto file = PosixDisk().Open(path, OpenMode::kReadWrite);
  REQUIRE(file.ok());
  REQUIRE((*file)->Sync().ok());
  std::vector<std::byte> into(100);
  Result<size_t> got = (*file)->ReadCached(1000, into);
  REQUIRE(got.ok());
  CHECK(*got == 100);
  CHECK(*(*file)->ReadCached(content.size(), into) == 0);
  CHECK(*(*file)->ReadCached(content.size() - 10, into) == 10);
  (*file)->DropCache();
  got = (*file)->ReadCached(1000, into);
  // A file system in memory has nothing to drop.
  if (!got.ok()) CHECK(got.status().code() == Code::kWouldBlock);
  REQUIRE((*file)->ReadAt(1000, into).ok());
  CHECK(*(*file)->ReadCached(1000, into) == 100);
}

}  // namespace millrace::test
