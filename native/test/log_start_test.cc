#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "core/log/log_services.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"
#include "test/support/temporary_directory.h"

namespace millrace::test {
namespace {

std::vector<Offset> BasesOf(Log& log) {
  std::array<SegmentFacts, 100> facts;
  std::vector<Offset> bases;
  const size_t count = *log.ListSegments(false, facts);
  for (size_t i = 0; i < count; ++i) bases.push_back(facts[i].base_offset);
  return bases;
}

}  // namespace

TEST_CASE("a removed segment that nobody reads any more gives its blocks back in the background") {
  TemporaryDirectory directory;
  LogServices services(64, LogServices::Background::kThread);
  Subject log(PosixDisk(), directory.path() + "/topic-0", SmallSegments(), &services);
  log.AppendMany(60);
  FileRegion region = *log->Read(0, 1 << 20, INT64_MAX, true);
  const std::vector<std::byte> before = BytesOf(region);
  REQUIRE(log->AdvanceStart(log.end()).ok());
  services.Drain();
  CHECK(services.retiring() >= 1);
  CHECK(BytesOf(region) == before);
  region = FileRegion();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (services.retiring() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK(services.retiring() == 0);
}

TEST_CASE(
    "a segment that cannot be removed keeps those behind it, and the next removal tries again") {
  SimDisk disk;
  Subject log(disk, "/topic-0", SmallSegments());
  log.AppendMany(60);
  log.Flush();
  const Offset second = BasesOf(*log).at(1);
  const Offset fourth = BasesOf(*log).at(3);
  disk.FailCall(disk.call_count() + 1, EIO);  // the first name stays
  REQUIRE(log->AdvanceStart(second).ok());
  CHECK(FileExists(disk, log.LogPath(0)));
  CHECK(log->log_start_offset() == second);
  REQUIRE(log->AdvanceStart(fourth).ok());
  CHECK(!FileExists(disk, log.LogPath(0)));
  CHECK(!FileExists(disk, log.LogPath(second)));
  log.CloseAndOpen();
  CHECK(log->log_start_offset() == fourth);
}

TEST_CASE("names of removed segments are free before a log that begins anew takes them") {
  SimDisk disk;
  Subject log(disk, "/topic-0", SmallSegments());
  log.AppendMany(60);
  log.Flush();
  disk.FailCall(disk.call_count() + 1, EIO);
  REQUIRE(log->AdvanceStart(BasesOf(*log).at(1)).ok());
  REQUIRE(FileExists(disk, log.LogPath(0)));
  REQUIRE(log->ResetTo(0).ok());
  log.batches.clear();
  log.AppendMany(30);
  REQUIRE(log->AdvanceStart(BasesOf(*log).at(1)).ok());
  CHECK(log.end() > 30);
  log.CloseAndOpen();
  CHECK(log->log_end_offset() == log.end());
}

TEST_CASE(
    "the facts of segments: sizes, largest timestamps, and the time of the file where none is") {
  SimDisk disk;
  disk.SetTime(5'000);
  Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 300});
  std::array<SegmentFacts, 4> facts;
  REQUIRE(*log->ListSegments(true, facts) == 1);
  CHECK(facts[0].size_bytes == 0);
  CHECK(facts[0].max_timestamp == -1);
  REQUIRE(log.Append({.content = 1, .base_timestamp = 700}).ok());
  REQUIRE(log.Append({.content = 2, .base_timestamp = 300}).ok());
  REQUIRE(log->Roll().ok());
  const Offset second = log->active_base_offset();
  log.Flush();  // which trims the file
  disk.SetTime(9'000);
  REQUIRE(log.Append({.content = 3, .base_timestamp = 400}).ok());
  for (int pass = 0; pass < 2; ++pass) {
    REQUIRE(*log->ListSegments(true, facts) == 2);
    CHECK(facts[0].base_offset == 0);
    CHECK(facts[0].max_timestamp >= 700);
    CHECK(facts[0].max_timestamp < 800);
    CHECK(facts[0].modified_ms == 5'000);
    CHECK(facts[1].base_offset == second);
    CHECK(facts[1].max_timestamp < 500);
    CHECK(facts[1].modified_ms == 9'000);
    CHECK(facts[0].size_bytes + facts[1].size_bytes == log->size_bytes());
    if (pass == 0) log.CloseAndOpen();
  }
  CHECK(*log->ListSegments(false, std::span(facts).first(1)) == 1);
}

}  // namespace millrace::test
