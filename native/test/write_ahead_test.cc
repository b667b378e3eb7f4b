#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include "test/support/log_batches.h"
#include "test/support/log_subject.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

constexpr uint64_t kAheadBytes = 64 << 10;
constexpr uint64_t kMoreThanABatch = 1024;

LogConfig LargeSegments() {
  LogConfig config;
  config.segment_bytes = 64 << 20;
  return config;
}

// The numbers, from 1, of the calls that wrote ahead to `path`.
std::vector<uint64_t> WritesAhead(const SimDisk& disk, const std::string& path, uint64_t* bytes) {
  std::vector<uint64_t> found;
  *bytes = 0;
  const std::vector<SimCall> calls = disk.calls();
  for (size_t i = 0; i < calls.size(); ++i) {
    if (calls[i].kind != SimCallKind::kWrite || calls[i].path != path) continue;
    if (calls[i].length < kMoreThanABatch) continue;
    found.push_back(i + 1);
    *bytes += calls[i].length;
  }
  return found;
}

// Appends small batches and flushes each; returns how many were refused.
int FlushEachUntil(Subject& log, uint64_t bytes) {
  int refused = 0;
  while (log->size_bytes() < bytes) {
    const Offset end = log.end();
    if (log.Append({.content = log.batches.size(), .base_timestamp = 1000 + end}).ok()) {
      log.Flush();
    } else {
      ++refused;
      CHECK(log.end() == end);
    }
  }
  return refused;
}

bool OnlyZeros(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

TEST_CASE("a log that is synced after each small batch is written ahead with zeros, in steps") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  FlushEachUntil(log, 8 * kAheadBytes);
  uint64_t bytes = 0;
  CHECK(WritesAhead(disk, log.LogPath(0), &bytes).size() >= 5);
  CHECK(bytes >= 5 * kAheadBytes);
  CHECK(bytes <= log->size_bytes() + kAheadBytes);
  const std::vector<std::byte> file = ReadFile(disk, log.LogPath(0));
  CHECK(OnlyZeros(std::span(file).subspan(log->size_bytes())));
  CHECK(log.Content() == log.Appended());
}

TEST_CASE("a log of which much is synced at once is not written ahead") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  while (log->size_bytes() < 8 * kAheadBytes) {
    const uint64_t before = log->size_bytes();
    while (log->size_bytes() < before + kAheadBytes / 2) log.AppendMany(1);
    log.Flush();
  }
  uint64_t bytes = 0;
  CHECK(WritesAhead(disk, log.LogPath(0), &bytes).empty());
}

TEST_CASE("what was written ahead is no part of the log after a reboot, and goes with a rest") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  FlushEachUntil(log, 3 * kAheadBytes);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::unique_ptr<SimDisk> next = disk.Reboot(seed);
    Subject after(*next, "/topic-0", LargeSegments(), nullptr, OpenTrust::kReboot);
    CHECK(after.end() == log.end());
    CHECK(after.Content() == log.Appended());
  }
  REQUIRE(log->Rest());
  CHECK(ReadFile(disk, log.LogPath(0)).size() == log->size_bytes());
}

TEST_CASE("a write ahead that fails refuses its batch, and the log goes on with the next") {
  uint64_t call = 0;
  {
    SimDisk disk;
    Subject log(disk, "/topic-0", LargeSegments());
    FlushEachUntil(log, 3 * kAheadBytes);
    uint64_t bytes = 0;
    call = WritesAhead(disk, log.LogPath(0), &bytes).at(1);
  }
  SimDisk disk;
  Subject log(disk, "/topic-0", LargeSegments());
  disk.FailCall(call, EIO);
  CHECK(FlushEachUntil(log, 3 * kAheadBytes) == 1);
  CHECK_FALSE(log->failed());
  CHECK(log.Content() == log.Appended());
}

}  // namespace millrace::test
