#include "core/log/log.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/log/log_services.h"
#include "core/log/segment_names.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {

TEST_CASE("what was appended is read back byte for byte, over segments and after a clean restart") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(100);
  CHECK(log->active_base_offset() > 0);
  CHECK(log.Content() == log.Appended());
  CHECK(log->size_bytes() == log.Appended().size());

  const Offset end = log.end();
  log.CloseAndOpen();
  CHECK(log.report.scanned_bytes == 0);
  CHECK(log.report.indexes_rebuilt == 0);
  CHECK(log.end() == end);
  CHECK(log->durable_offset() == end);
  CHECK(log.Content() == log.Appended());
  log.AppendMany(100);
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("every offset is found, also in the middle of a batch, while written and at rest") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(60);
  for (int round = 0; round < 2; ++round) {
    for (Offset offset = 0; offset < log.end(); ++offset) {
      Result<FileRegion> region = ReadWaiting(*log, offset, 1, INT64_MAX, true);
      REQUIRE(region.ok());
      std::vector<std::byte> bytes = BytesOf(*region);
      BatchHeader header;
      REQUIRE(ParseBatchHeader(bytes, &header).ok());
      CHECK(header.base_offset <= offset);
      CHECK(header.last_offset >= offset);
      CHECK(bytes.size() == static_cast<size_t>(header.size_bytes));
    }
    log.CloseAndOpen();
  }
}

TEST_CASE("a read keeps to its limits and ends with a whole batch") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{});
  for (int i = 0; i < 30; ++i) REQUIRE(log.Append({.records = 2, .content = uint64_t(i)}).ok());
  const uint64_t size = log.batches[0].size();

  CHECK(log->Read(0, size * 5 + size / 2, INT64_MAX, false)->length() == size * 5);
  CHECK(log->Read(0, size * 5, INT64_MAX, false)->length() == size * 5);
  CHECK(log->Read(10, UINT64_MAX / 2, 20, false)->length() == size * 5);
  CHECK(log->Read(11, UINT64_MAX / 2, 20, false)->position() == size * 5);
  CHECK(log->Read(0, size - 1, INT64_MAX, false)->length() == 0);
  CHECK(log->Read(0, size - 1, INT64_MAX, true)->length() == size);
  CHECK(log->Read(60, 1000, 60, true)->length() == 0);
  CHECK(log->Read(20, 1000, 20, true)->length() == 0);
  CHECK(log->Read(61, 1000, 70, true).status().code() == Code::kOffsetOutOfRange);
  REQUIRE(log->AdvanceStart(7).ok());
  CHECK(log->Read(6, 1000, 60, true).status().code() == Code::kOffsetOutOfRange);
  CHECK(log->Read(7, 1000, 60, true)->position() == size * 3);
}

TEST_CASE("headers are read over segments, from the batch that holds the offset") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(50);
  std::vector<BatchHeader> headers = HeadersOf(*log, 4, log.end());
  REQUIRE(headers.size() == 48);  // 1 + 2 + 3 records: offset 4 is in the third batch
  CHECK(headers.front().base_offset == 3);
  CHECK(headers.back().last_offset == log.end() - 1);
  CHECK(HeadersOf(*log, 0, 3).size() == 2);
}

TEST_CASE(
    "a segment is rolled by size, by the records' time, by a full index, and never while empty") {
  SimDisk disk;
  SUBCASE("size") {
    Subject log(disk, "/topic-0");
    Appended appended;
    const uint64_t size = MakeBatch({.value_bytes = 900}).size();
    for (uint64_t i = 0; i < log.config.segment_bytes / size; ++i) {
      REQUIRE(log.Append({.value_bytes = 900, .content = i}, {}, &appended).ok());
      CHECK(!appended.rolled);
    }
    REQUIRE(log.Append({.value_bytes = 900}, {}, &appended).ok());
    CHECK(appended.rolled);
    CHECK(log->active_base_offset() == appended.base_offset);
    CHECK(log.Append({.value_bytes = 5000}).code() == Code::kBatchLargerThanSegment);
    CHECK(log.Content() == log.Appended());
  }
  SUBCASE("time") {
    LogConfig config;
    config.segment_ms = 1000;
    Subject log(disk, "/topic-0", config);
    Appended appended;
    for (int64_t time : {5000, 6000, 2000}) {
      REQUIRE(log.Append({.base_timestamp = time}, {}, &appended).ok());
      CHECK(!appended.rolled);
    }
    log.CloseAndOpen();  // the first timestamp is read from the file
    REQUIRE(log.Append({.base_timestamp = 6001}, {}, &appended).ok());
    CHECK(appended.rolled);
  }
  SUBCASE("time of the broker, where records have none") {
    LogConfig config;
    config.segment_ms = 1000;
    Subject log(disk, "/topic-0", config);
    Appended appended;
    for (int64_t now : {100, 100, 1100}) {
      REQUIRE(log.Append({.base_timestamp = -1}, {.now_ms = now}, &appended).ok());
      CHECK(!appended.rolled);
    }
    REQUIRE(log.Append({.base_timestamp = -1}, {.now_ms = 1101}, &appended).ok());
    CHECK(appended.rolled);
  }
  SUBCASE("index") {
    LogConfig config;
    config.index_interval_bytes = 0;
    config.segment_index_bytes =
        36;  // three entries of the time index, one of them kept for the roll
    Subject log(disk, "/topic-0", config);
    log.AppendMany(20);
    CHECK(log->active_base_offset() > 0);
    CHECK(log.Content() == log.Appended());
    log.CloseAndOpen();
    CHECK(log.report.segments > 5);
  }
  SUBCASE("on demand") {
    Subject log(disk, "/topic-0");
    REQUIRE(log->Roll().ok());
    CHECK(log->active_base_offset() == 0);
    log.AppendMany(2);
    REQUIRE(log->Roll().ok());
    REQUIRE(log->Roll().ok());
    CHECK(log->active_base_offset() == 3);
    log.CloseAndOpen();
    CHECK(log.end() == 3);
    CHECK(log.report.segments == 2);
  }
}

TEST_CASE("a small log costs one segment's file, and a larger one has its next segment ready") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(3);
  CHECK(!FileExists(disk, log.Path("next.prepared")));
  log.AppendMany(8);
  CHECK(FileExists(disk, log.Path("next.prepared")));
  const uint64_t calls = disk.call_count();
  log.AppendMany(15);
  bool renamed = false;
  for (const SimCall& call : disk.calls()) renamed |= call.kind == SimCallKind::kRename;
  CHECK(disk.call_count() > calls);
  CHECK(renamed);
  REQUIRE(log->Close(true).ok());
  CHECK(!FileExists(disk, log.Path("next.prepared")));
}

TEST_CASE("a log that fills a segment within seconds has all of the next one allocated") {
  SimDisk disk;
  LogConfig config;
  config.segment_bytes = 1 << 20;
  const uint64_t whole = config.segment_bytes;
  const auto prepared_after = [&](int64_t step_ms) -> uint64_t {
    Subject log(disk, "/topic-" + std::to_string(step_ms), config);
    int64_t now = 1'000'000;
    for (uint64_t i = 0; i < 9; ++i) {
      REQUIRE(log.Append({.value_bytes = 64'000, .content = i}, {.now_ms = now += step_ms}).ok());
    }
    return ReadFile(disk, log.Path("next.prepared")).size();
  };
  CHECK(prepared_after(100) == whole);
  CHECK(prepared_after(2'000) < whole);
  disk.SetCapacity(10 * whole);
  CHECK(prepared_after(101) < whole);
  SUBCASE("which is known of what this process has written only") {
    disk.SetCapacity(UINT64_MAX);
    Subject log(disk, "/topic-again", config);
    for (uint64_t i = 0; i < 8; ++i)
      REQUIRE(log.Append({.value_bytes = 65'000, .content = i}, {.now_ms = 1}).ok());
    REQUIRE(!FileExists(disk, log.Path("next.prepared")));
    log.CloseAndOpen();
    REQUIRE(log.Append({.value_bytes = 64'000, .content = 8}, {.now_ms = 1}).ok());
    CHECK(ReadFile(disk, log.Path("next.prepared")).size() < whole);
  }
}

TEST_CASE("after a clean close the files hold their entries and nothing else") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(100);
  log.CloseAndOpen();
  uint64_t bytes = 0;
  Result<std::vector<std::string>> names = PosixDisk().List(log.Path(""));
  REQUIRE(names.ok());
  CHECK(names->size() == 3 * log.report.segments);
  for (const std::string& name : *names) {
    FileName parsed = ParseFileName(name);
    const uint64_t size = ReadFile(PosixDisk(), log.Path(name)).size();
    if (parsed.kind == FileKind::kLog) bytes += size;
    if (parsed.kind == FileKind::kOffsetIndex) CHECK(size % 8 == 0);
    if (parsed.kind == FileKind::kTimeIndex) CHECK(size % 12 == 0);
    CHECK(size > 0);
    CHECK(size <= log.config.segment_bytes);
  }
  CHECK(bytes == log.Appended().size());
}

TEST_CASE("a resting log holds no descriptor, and goes on where it was") {
  SimDisk disk;
  LogServices services(0, LogServices::Background::kInline);
  Subject log(disk, "/topic-0", SmallSegments(), &services);
  log.AppendMany(30);
  log->Rest();
  CHECK(ReadFile(disk, log.LogPath(log->active_base_offset())).size() % 4096 ==
        0);  // not durable: nothing happened
  log.Flush();
  log->Rest();
  CHECK(ReadFile(disk, log.LogPath(log->active_base_offset())).size() % 4096 != 0);
  CHECK(services.files().size() == 0);
  CHECK(log.Content() == log.Appended());
  log.AppendMany(40);
  CHECK(log.Content() == log.Appended());
  log->Rest();
  log.Flush();
  log->Rest();
  REQUIRE(log->Roll().ok());
  log.AppendMany(40);
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("many logs share a bounded number of descriptors") {
  TemporaryDirectory directory;
  LogServices services(4, LogServices::Background::kThread);
  std::vector<std::unique_ptr<Subject>> logs;
  for (int i = 0; i < 20; ++i) {
    logs.push_back(std::make_unique<Subject>(
        PosixDisk(), directory.path() + "/topic-" + std::to_string(i), SmallSegments(), &services));
    logs.back()->AppendMany(40);
    logs.back()->Flush();
    (*logs.back())->Rest();
  }
  CHECK(services.files().size() <= 4);
  std::vector<FileRegion> regions;
  for (const auto& log : logs) {
    Result<FileRegion> region = ReadWaiting(**log, 0, 1 << 20, INT64_MAX, true);
    REQUIRE(region.ok());
    regions.push_back(std::move(*region));
  }
  CHECK(services.files().size() <= 4);
  for (size_t i = 0; i < logs.size(); ++i) {
    CHECK(logs[i]->Content() == logs[i]->Appended());
    std::vector<std::byte> bytes = BytesOf(regions[i]);  // pinned, however many there are
    CHECK(std::equal(bytes.begin(), bytes.end(), logs[i]->Appended().begin()));
  }
}

TEST_CASE("a deleted log leaves nothing behind, and a closed one says so") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(30);
  Result<FileRegion> region = log->Read(0, 1 << 20, INT64_MAX, true);
  REQUIRE(region.ok());
  WriteFile(PosixDisk(), log.Path("partition.metadata"), {});
  REQUIRE(log->Delete().ok());
  LogServices::Process().Drain();
  CHECK(PosixDisk().List(directory.path())->empty());
  std::vector<std::byte> bytes = BytesOf(*region);
  CHECK(bytes.size() == region->length());
  CHECK(std::equal(bytes.begin(), bytes.end(), log.Appended().begin()));
  CHECK(log.Append({}).code() == Code::kClosed);
  CHECK(log->Read(0, 1, 1, true).status().code() == Code::kClosed);
  CHECK(log->Roll().code() == Code::kClosed);
  CHECK(log->Close(true).ok());
}

TEST_CASE("a bad batch moves nothing") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  log.AppendMany(5);
  const uint64_t calls = disk.call_count();
  std::vector<std::byte> batch = MakeBatch({});
  batch.back() ^= std::byte{1};
  Appended appended;
  CHECK(log->Append(batch, {}, &appended).code() == Code::kBatchCorrupt);
  CHECK(log->Validate(batch, {}, &appended).code() == Code::kBatchCorrupt);
  CHECK(appended.base_offset == -1);
  CHECK(disk.call_count() == calls);
  batch.back() ^= std::byte{1};
  CHECK(log->Validate(batch, {}, &appended).ok());
  CHECK(log.Content() == log.Appended());
}

}  // namespace millrace::test
