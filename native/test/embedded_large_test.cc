// Appends of much at once to an embedded log, which are written and not stored: they promise what
// any append promises, and what is refused leaves nothing behind.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/embedded/adoption.h"
#include "core/embedded/batch_run.h"
#include "core/embedded/writer.h"
#include "core/log/segment_names.h"
#include "test/support/embedded_life.h"
#include "test/support/log_batches.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

// Large enough to be written, in some runs of several batches each.
constexpr int kMany = 600;

EmbeddedOptions LargeOptions(int boot = 1) {
  EmbeddedOptions options = Options(boot);
  options.log.segment_bytes = 64 << 10;
  return options;
}

// Large appends and small ones, over some segments.
void Workload(SimDisk& disk, Life& life) {
  life.sim = &disk;
  if (!life.Open(disk, LargeOptions()).ok()) return;
  life.Append(3);
  (void)life.AppendMany(kMany);
  life.Flush();
  (void)life.AppendMany(kMany);
  life.Append(5);
  if (life.opened.writer->PutCheckpoint(900, life.durable, 0).ok())
    (void)life.opened.log->AdvanceStart(900);
  (void)life.AppendMany(2 * kMany);
  life.Close();
}

uint64_t CallsOfWorkload() {
  SimDisk disk;
  (void)disk.MakeDirectory("/logs");
  Life life;
  Workload(disk, life);
  REQUIRE(life.closed);
  return disk.call_count();
}

std::vector<BatchHeader> HeadersOf(Log& log) {
  std::vector<BatchHeader> headers(1000);
  Result<size_t> count = log.ReadHeaders(log.log_start_offset(), INT64_MAX, headers);
  REQUIRE(count.ok());
  headers.resize(*count);
  return headers;
}

}  // namespace

TEST_CASE("a large append is in the log as batches of the usual size, by few writes") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, LargeOptions()).ok());
  life.Append(3);
  const uint64_t calls = disk.call_count();
  REQUIRE(life.AppendMany(kMany).ok());
  CHECK(life.opened.writer->open_records() == 0);
  CHECK(life.end() == 3 + kMany);
  CheckValues(*life.opened.log, 3 + kMany);
  const std::vector<BatchHeader> headers = HeadersOf(*life.opened.log);
  CHECK(headers.size() > 40);
  for (const BatchHeader& header : headers) CHECK(header.size_bytes <= 512);
  CHECK(disk.call_count() - calls < headers.size());
  life.Append(4);
  CHECK(life.opened.writer->open_records() == 4);
  REQUIRE(life.AppendMany(kMany).ok());
  life.Append(4);
  life.Close();
  REQUIRE(life.closed);
  Life next;
  REQUIRE(next.Open(disk, LargeOptions()).ok());
  CheckValues(*next.opened.log, 11 + 2 * kMany);
}

TEST_CASE("a run holds whole batches, none of them cut short by its end, and at least one") {
  const std::string bytes(20'000, 'v');
  BatchRun run;
  SUBCASE("small values") {
    const std::vector<uint32_t> lengths(200, 100);
    const size_t taken = run.Fill(BytesOf(bytes), lengths, 7, 5, 1000, 4000);
    CHECK(taken == 32);
    REQUIRE(run.headers().size() == 4);
    CHECK(run.headers()[3].base_offset == 31);
    CHECK(run.headers()[3].max_timestamp == 5);
    CHECK(run.bytes().size() <= 4000);
  }
  SUBCASE("a value that is larger than a batch gets, and than the run") {
    const std::vector<uint32_t> lengths = {100, 5000, 100, 100};
    CHECK(run.Fill(BytesOf(bytes), lengths, 0, 5, 1000, 4000) == 1);
    CHECK(run.Fill(BytesOf(bytes), std::span(lengths).subspan(1), 1, 5, 1000, 4000) == 1);
    CHECK(run.headers()[0].size_bytes > 5000);
    CHECK(run.Fill(BytesOf(bytes), std::span(lengths).subspan(2), 2, 5, 1000, 4000) == 2);
    CHECK(run.headers().size() == 1);
  }
  SUBCASE("as many as one write may append") {
    const std::vector<uint32_t> lengths(100, 100);
    CHECK(run.Fill(BytesOf(bytes), lengths, 0, 5, 64, 1 << 20) == kMostBatchesAtOnce);
    CHECK(run.headers().size() == kMostBatchesAtOnce);
  }
}

TEST_CASE("a large append is in the log after a kill at any call of the disk") {
  const uint64_t calls = CallsOfWorkload();
  for (uint64_t n = 1; n <= calls; ++n) {
    CAPTURE(n);
    SimDisk disk;
    (void)disk.MakeDirectory("/logs");
    disk.CrashAfter(n);
    Life life;
    Workload(disk, life);
    const std::unique_ptr<SimDisk> next = disk.KillProcess(n);
    Life again;
    if (n % 2 == 0) {
      // A broker meets what the app left.
      OpenPoint point;
      REQUIRE(PrepareAdoption(*next, kDirectory, &point, Boot(1)).ok());
    }
    REQUIRE(again.Open(*next, LargeOptions()).ok());
    const Offset end = again.opened.log->log_end_offset();
    REQUIRE(end >= life.promised);
    REQUIRE(end <= std::max(life.promised + 1, life.tried));
    CheckValues(*again.opened.log, end);
    REQUIRE(again.AppendMany(kMany).ok());
    again.Close();
    REQUIRE(again.closed);
  }
}

TEST_CASE(
    "what was flushed of large appends is there after the power went at any call of the disk") {
  const uint64_t calls = CallsOfWorkload();
  for (uint64_t n = 1; n <= calls; ++n) {
    for (uint64_t seed = 1; seed <= 2; ++seed) {
      CAPTURE(n);
      CAPTURE(seed);
      SimDisk disk;
      (void)disk.MakeDirectory("/logs");
      (void)disk.SyncDirectory("/");
      disk.CrashAfter(n);
      Life life;
      Workload(disk, life);
      const std::unique_ptr<SimDisk> next = disk.Reboot(seed * 1000 + n);
      Life again;
      REQUIRE(again.Open(*next, LargeOptions(2)).ok());
      const Offset end = again.opened.log->log_end_offset();
      REQUIRE(end >= life.durable);
      CheckValues(*again.opened.log, end);
    }
  }
}

TEST_CASE("a write that fails leaves nothing of its batches in the log, nor behind it") {
  for (const int error : {EIO, ENOSPC}) {
    for (uint64_t nth = 1; nth <= 6; ++nth) {
      CAPTURE(error);
      CAPTURE(nth);
      SimDisk disk(nth);
      Life life;
      REQUIRE(life.Open(disk, LargeOptions()).ok());
      REQUIRE(life.AppendMany(kMany).ok());
      disk.FailCall(disk.call_count() + nth, error);
      (void)life.AppendMany(kMany);
      disk.Heal();
      REQUIRE(!life.opened.log->failed());
      REQUIRE(life.opened.writer->Seal().ok());
      const Offset end = life.end();
      CheckValues(*life.opened.log, end);
      // Shorter than what was refused, which would lie behind it.
      life.Append(1);
      REQUIRE(life.end() == end + 1);
      SUBCASE("and the log goes on") {
        REQUIRE(life.AppendMany(kMany).ok());
        CheckValues(*life.opened.log, end + 1 + kMany);
      }
      SUBCASE("and a kill brings nothing of it back") {
        const std::unique_ptr<SimDisk> next = disk.KillProcess(nth);
        Life again;
        REQUIRE(again.Open(*next, LargeOptions()).ok());
        CheckValues(*again.opened.log, end + 1);
      }
    }
  }
}

TEST_CASE("a full disk refuses what has no room of a large append, and takes all that has") {
  SimDisk disk;
  disk.SetCapacity(200 << 10);
  Life life;
  EmbeddedOptions options = LargeOptions();
  options.log.segment_bytes = 1 << 20;
  REQUIRE(life.Open(disk, options).ok());
  Status status;
  while (status.ok() && life.end() < 20'000) status = life.AppendMany(kMany);
  CHECK(status.code() == Code::kNoSpace);
  const Offset full = life.end();
  CHECK(full > 2'000);
  CHECK(life.AppendMany(1).code() == Code::kNoSpace);
  CHECK(life.end() == full);
  disk.SetCapacity(4 << 20);
  REQUIRE(life.AppendMany(kMany).ok());
  REQUIRE(life.opened.writer->Seal().ok());
  CheckValues(*life.opened.log, full + kMany);
}

TEST_CASE("a large append to a file that somebody cut is not acknowledged") {
  SimDisk disk;
  Life life;
  REQUIRE(life.Open(disk, LargeOptions()).ok());
  REQUIRE(life.AppendMany(kMany).ok());
  const Offset end = life.end();
  const std::string path =
      JoinPath(kDirectory, SegmentFileName(life.opened.log->active_base_offset(), FileKind::kLog));
  REQUIRE((*disk.Open(path, OpenMode::kReadWrite))->Truncate(0).ok());
  CHECK(life.AppendMany(kMany).code() == Code::kCorrupt);
  CHECK(life.end() == end);
  CHECK(life.opened.log->failed());
}

TEST_CASE("a segment is left for the next one before its indexes are full") {
  SimDisk disk;
  Life life;
  EmbeddedOptions options = LargeOptions();
  options.seal_bytes = 1024;  // an entry each
  options.log.segment_bytes = 1 << 20;
  options.log.segment_index_bytes = 512;
  REQUIRE(life.Open(disk, options).ok());
  for (int i = 0; i < 6; ++i) REQUIRE(life.AppendMany(kMany).ok());
  std::vector<SegmentFacts> facts(20);
  Result<size_t> segments = life.opened.log->ListSegments(false, facts);
  REQUIRE(segments.ok());
  CHECK(*segments > 2);
  life.Close();
  for (size_t i = 0; i < *segments; ++i) {
    const std::string path =
        JoinPath(kDirectory, SegmentFileName(facts[i].base_offset, FileKind::kOffsetIndex));
    Result<std::shared_ptr<File>> index = disk.Open(path, OpenMode::kRead);
    REQUIRE(index.ok());
    CHECK(*(*index)->Size() <= 512);
  }
}

}  // namespace millrace::test
