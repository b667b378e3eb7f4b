#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "test/support/log_batches.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

LogConfig LargeSegments() {
  LogConfig config;
  config.segment_bytes = 64 << 20;
  return config;
}

// A batch that may wait; whether it does.
bool Gather(Subject& log, size_t value_bytes = 100) {
  Appended appended;
  const Offset end = log.end();
  REQUIRE(log.Append({.value_bytes = value_bytes,
                      .content = log.batches.size(),
                      .base_timestamp = 10'000 + end},
                     {.flags = kAppendGather}, &appended)
              .ok());
  CHECK(appended.base_offset == end);
  CHECK(log.end() == end + 1);
  return appended.gathered;
}

size_t CountWrites(const SimDisk& disk, const std::string& path, size_t from) {
  const std::vector<SimCall> calls = disk.calls();
  size_t count = 0;
  for (size_t i = from; i < calls.size(); ++i)
    count += calls[i].kind == SimCallKind::kWrite && calls[i].path == path;
  return count;
}

}  // namespace

TEST_CASE(
    "gathered batches have their offsets at once, and are in the file when they are written") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  CHECK(!Gather(log));  // the first of a segment
  const size_t before = disk.calls().size();
  const uint64_t size = log->size_bytes();
  for (int i = 0; i < 5; ++i) CHECK(Gather(log));
  CHECK(CountWrites(disk, log.LogPath(0), before) == 0);
  CHECK(log->size_bytes() == 6 * size);
  REQUIRE(log->WriteGathered().ok());
  CHECK(log.Content() == log.Appended());
  CHECK(ReadFile(disk, log.LogPath(0)).size() >= 6 * size);
  REQUIRE(log->WriteGathered().ok());  // nothing is left to write
  log.CloseAndOpen();
  CHECK(log.end() == 6);
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("reads and flushes see what is written, not what is gathered") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0", LargeSegments());
  log.AppendMany(2);
  const Offset written = log.end();
  REQUIRE(Gather(log));
  REQUIRE(Gather(log));
  CHECK(log->Read(0, 100'000, INT64_MAX, true)->length() == log.Content().size());
  CHECK(HeadersOf(*log, 0, log.end()).size() == 2);
  CHECK(FindMaxTimestamp(*log).offset == written - 1);
  CHECK(log->Flush()->offset == written);
  CHECK(log->durable_offset() == written);
  CHECK(!log->Rest());  // it would let go of what the write needs
  REQUIRE(log->WriteGathered().ok());
  CHECK(BytesOf(*log->Read(written, 100'000, INT64_MAX, true)) == log.Appended(written));
  CHECK(HeadersOf(*log, 0, log.end()).size() == 4);
  CHECK(log->Flush()->offset == written + 2);
}

TEST_CASE("whatever goes on behind gathered batches writes them first") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0", LargeSegments());
  log.AppendMany(2);
  const Offset written = log.end();
  REQUIRE(Gather(log));
  REQUIRE(Gather(log));
  SUBCASE("a roll") {
    REQUIRE(log->Roll().ok());
    CHECK(log->active_base_offset() == written + 2);
  }
  SUBCASE("a batch that does not wait") {
    REQUIRE(log.Append({.content = 77}).ok());
    CHECK(log->Flush()->offset == written + 3);
  }
  SUBCASE("a batch that is too large to wait") { CHECK(!Gather(log, 100'000)); }
  SUBCASE("other settings") { log->Configure(SmallSegments()); }
  SUBCASE("a truncation") {
    REQUIRE(log->TruncateTo(written + 1).ok());
    log.batches.pop_back();
    CHECK(log.end() == written + 1);
  }
  SUBCASE("a clean close") { log.CloseAndOpen(); }
  CHECK(log->WriteGathered().ok());
  CHECK(log.Content() == log.Appended());
  CHECK(HeadersOf(*log, 0, log.end()).size() == log.batches.size());
}

TEST_CASE("batches are gathered up to a number, over rolls and full indexes, and all are found") {
  TemporaryDirectory directory;
  LogConfig config = SmallSegments();
  SUBCASE("small segments") {}
  SUBCASE("small indexes") { config.segment_index_bytes = 120; }
  SUBCASE("large segments") { config.segment_bytes = 8 << 20; }
  Subject log(PosixDisk(), directory.path() + "/topic-0", config);
  int gathered = 0;
  for (int i = 0; i < 400; ++i) gathered += Gather(log, 10 + (i * 37) % 300) ? 1 : 0;
  CHECK(gathered > 200);
  REQUIRE(log->WriteGathered().ok());
  CHECK(log.Content() == log.Appended());
  for (Offset offset = 0; offset < log.end(); ++offset)
    REQUIRE(log->Read(offset, 1, INT64_MAX, true)->length() == log.batches[offset].size());
  log.CloseAndOpen();
  CHECK(log.report.indexes_rebuilt == 0);
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("gathered batches that cannot be written leave a log that goes on when this is told") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  log.AppendMany(2);
  log.Flush();
  const Offset written = log.end();
  const std::vector<std::byte> content = log.Content();
  const size_t kept = log.batches.size();
  for (int i = 0; i < 3; ++i) REQUIRE(Gather(log));
  Code code = Code::kIoError;
  const auto fail_second = [&](int error) { disk.FailCall(disk.calls().size() + 2, error); };
  SUBCASE("") {
    fail_second(EIO);
    CHECK(log->WriteGathered().code() == code);
  }
  SUBCASE("for want of room") {
    code = Code::kNoSpace;
    fail_second(ENOSPC);
    CHECK(log->WriteGathered().code() == code);
  }
  SUBCASE("before one that does not wait") {
    fail_second(EIO);
    CHECK(log.Append({.content = 5}).code() == code);
  }
  SUBCASE("before a roll") {
    fail_second(EIO);
    CHECK(log->Roll().code() == code);
  }
  // What was decided upon their offsets stands yet.
  CHECK(log.end() == written);
  CHECK(!log->failed());
  CHECK(log.Append({.content = 5}).code() == code);
  CHECK(log->Roll().code() == code);
  CHECK(log->TruncateTo(1).code() == code);
  CHECK(!log->Rest());
  CHECK(log->WriteGathered().code() == code);
  CHECK(log.Content() == content);
  CHECK(ReadFile(disk, log.LogPath(0)) == content);

  CHECK(log->TakeLoss().code() == code);
  CHECK(log->TakeLoss().ok());
  CHECK(log->WriteGathered().ok());
  log.batches.resize(kept);
  REQUIRE(Gather(log, 30));
  REQUIRE(log->WriteGathered().ok());
  REQUIRE(log.Append({.content = 6}).ok());
  CHECK(log->Flush()->offset == written + 2);
  CHECK(log.Content() == log.Appended());
  log.CloseAndOpen();
  CHECK(log.Content() == log.Appended());
  CHECK(log.report.cut_bytes == 0);
}

TEST_CASE("a log whose lost batches cannot be cut away fails") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  log.AppendMany(2);
  for (int i = 0; i < 3; ++i) REQUIRE(Gather(log));
  disk.FailCall(disk.calls().size() + 2, EIO);
  disk.FailFrom(disk.calls().size() + 2, EIO, MaskOf(SimCallKind::kTruncate));
  CHECK(!log->WriteGathered().ok());
  CHECK(log->failed());
}

}  // namespace millrace::test
