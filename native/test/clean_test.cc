// Compaction of whole logs: a random log is cleaned and compared with what Kafka's rules leave of
// it, by every road that reads it.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "test/support/keyed_log.h"

namespace millrace::test {
namespace {

// Every offset, whether there is a record or not, leads to the first batch that ends at or behind
// it; limits and headers agree.
void CheckEveryOffset(KeyedLog& log) {
  const std::vector<std::byte> content = log.Content();
  const std::vector<BatchHeader> headers = HeadersIn(content);
  const auto position_of = [&](Offset offset) {
    size_t position = 0;
    for (const BatchHeader& header : headers) {
      if (header.last_offset >= offset) return position;
      position += static_cast<size_t>(header.size_bytes);
    }
    return position;
  };
  for (Offset offset = log->log_start_offset(); offset < log.end(); ++offset) {
    CAPTURE(offset);
    const size_t at = position_of(offset);
    const Result<FileRegion> region = ReadWaiting(*log, offset, 1, log.end(), true);
    REQUIRE(region.ok());
    if (at == content.size()) {
      REQUIRE(region->length() == 0);
      continue;
    }
    BatchHeader header;
    REQUIRE(ParseBatchHeader(std::span(content).subspan(at), &header).ok());
    const std::vector<std::byte> bytes = BytesOf(*region);
    REQUIRE(bytes.size() == static_cast<size_t>(header.size_bytes));
    REQUIRE(std::equal(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(at)));
    // Up to a limit that is no batch's beginning either.
    const Offset limit = std::min(log.end(), offset + 7);
    size_t until = 0;
    for (const BatchHeader& each : headers) {
      if (each.base_offset >= limit) break;
      until += static_cast<size_t>(each.size_bytes);
    }
    const std::vector<std::byte> part = ReadAll(*log, offset, limit);
    REQUIRE(part.size() == (until > at ? until - at : 0));
  }
  const std::vector<BatchHeader> read = HeadersOf(*log, log->log_start_offset(), log.end());
  REQUIRE(read.size() == headers.size());
  for (size_t i = 0; i < read.size(); ++i) REQUIRE(read[i].base_offset == headers[i].base_offset);
}

void CheckTimes(KeyedLog& log) {
  const std::vector<KeyedRecord> records = log.Records();
  int64_t latest = -1;
  for (const KeyedRecord& record : records) latest = std::max(latest, record.timestamp);
  for (int64_t time = 900; time <= latest + 20; time += 37) {
    CAPTURE(time);
    const auto first = std::find_if(records.begin(), records.end(), [&](const KeyedRecord& record) {
      return record.timestamp >= time;
    });
    const TimestampPosition found = FindTimestamp(*log, time);
    REQUIRE(found.offset == (first == records.end() ? -1 : first->offset));
    if (first != records.end()) REQUIRE(found.timestamp == first->timestamp);
  }
  const auto first = std::find_if(records.begin(), records.end(), [&](const KeyedRecord& record) {
    return record.timestamp == latest;
  });
  const TimestampPosition largest = FindMaxTimestamp(*log);
  REQUIRE(largest.offset == (first == records.end() ? -1 : first->offset));
  REQUIRE(largest.timestamp == latest);
}

void CheckAll(KeyedLog& log, const std::vector<KeyedRecord>& expected, bool folded) {
  REQUIRE(log.Records() == expected);
  CheckEveryOffset(log);
  if (!folded) CheckTimes(log);
}

}  // namespace

TEST_CASE("cleaning leaves what Kafka's rules leave, and every road finds it") {
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const bool folded = seed % 2 == 0;
    auto disk = NewCleanedDisk(seed);
    KeyedLog log(*disk);
    log.Fill(random, 150, 5 + static_cast<int>(random.Below(120)), folded);
    REQUIRE(log->Flush().ok());
    const Offset cleaned_to = log->active_base_offset();
    const size_t segments = log.segments();

    CleanOptions options;
    const CleanResult first = log.CleanAll(options);
    REQUIRE(first.status.ok());
    REQUIRE(first.clean_end == cleaned_to);
    CHECK(log.segments() <= segments);
    const auto kept = ExpectKept(log.appended(), cleaned_to, true);
    CHECK(kept.size() < log.appended().size());
    CheckAll(log, kept, folded);

    // Again: nothing more to drop.
    options.first_dirty = first.clean_end;
    REQUIRE(log.CleanAll(options).status.ok());
    CheckAll(log, kept, folded);

    // What was appended meanwhile is cleaned with the rest, and tombstones of the first pass go.
    log.Fill(random, 40, 30, folded);
    log.Seal();
    options.now_ms += options.delete_retention_ms;
    const CleanResult later = log.CleanAll(options);
    REQUIRE(later.status.ok());
    const Offset end = log->active_base_offset();
    std::vector<KeyedRecord> left = ExpectKept(log.appended(), end, true);
    std::erase_if(left, [&](const KeyedRecord& record) {
      return record.offset < cleaned_to && !record.value.has_value();
    });
    CheckAll(log, left, folded);
    options.now_ms += options.delete_retention_ms;
    options.first_dirty = later.clean_end;
    REQUIRE(log.CleanAll(options).status.ok());
    const auto values = ExpectKept(log.appended(), end, false);
    CheckAll(log, values, folded);

    // Every way to come back.
    const Offset log_end = log.end();
    REQUIRE(log->Close(true).ok());
    log.Open(OpenTrust::kClean, log_end);
    CheckAll(log, values, folded);
    for (const OpenTrust trust : {OpenTrust::kSameBoot, OpenTrust::kReboot}) {
      for (const Offset recovery_point : {log_end, log_end / 2, Offset{0}}) {
        CAPTURE(recovery_point);
        log.Open(trust, recovery_point);
        REQUIRE(log.end() == log_end);
        REQUIRE(log.report.cut_bytes == 0);
        CheckAll(log, values, folded);
      }
    }
    // And it goes on.
    log.Put("key-0", "new");
    REQUIRE(log->Flush().ok());
    REQUIRE(log.Records().back().value == "new");
  }
}

TEST_CASE("cleaning with a map that is too small stops at a batch and goes on from there") {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  Random random(5);
  log.Fill(random, 200, 400, false);
  log.Seal();
  const Offset end = log->active_base_offset();
  CleanOptions options;
  options.map_bytes = 2400;  // some 70 keys
  Offset before = -1;
  int passes = 0;
  while (options.first_dirty < end) {
    const CleanResult result = log.CleanAll(options);
    REQUIRE(result.status.ok());
    REQUIRE(result.clean_end > before);
    before = options.first_dirty = result.clean_end;
    ++passes;
    // The latest value of every key is there at all times.
    const auto latest = ExpectKept(log.Records(), end, true);
    REQUIRE(latest == ExpectKept(log.appended(), end, true));
  }
  CHECK(passes > 3);
  CheckEveryOffset(log);
  CheckTimes(log);
  options.map_bytes = 48;
  options.first_dirty = 0;
  CHECK(log.CleanAll(options).status.code() == Code::kNoMemory);
}

TEST_CASE("cleaning touches nothing at or above its end") {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  Random random(9);
  log.Fill(random, 150, 20, false);
  log.Seal();
  const std::vector<BatchHeader> headers = HeadersIn(log.Content());
  CleanOptions options;
  options.end = headers[headers.size() / 2].base_offset;
  const std::vector<std::byte> above = ReadAll(*log, *options.end, log.end());
  const CleanResult result = log.CleanAll(options);
  REQUIRE(result.status.ok());
  CHECK(result.clean_end == *options.end);
  CHECK(log.Records() == ExpectKept(log.appended(), *options.end, true));
  CHECK(ReadAll(*log, *options.end, log.end()) == above);
}

TEST_CASE("cleaning that meets damage names the place and changes nothing") {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  Random random(3);
  log.Fill(random, 60, 10, false);
  log.Seal();
  const std::vector<std::byte> content = log.Content();
  FakeCodecs codecs;
  const CleanTask task = TaskFor(*log, log.directory, log.config, {});
  const CleanTask::Source& source = task.segments[1];
  char name[32];
  std::snprintf(name, sizeof name, "%020lld.log", static_cast<long long>(source.base_offset));
  const std::string path = log.directory + "/" + name;
  const std::vector<std::byte> intact = ReadFile(*disk, path);
  const std::vector<BatchHeader> headers = HeadersIn(intact);
  const auto second = static_cast<size_t>(headers[0].size_bytes);
  std::vector<std::byte> damaged = intact;
  damaged[second + kBatchHeaderBytes + 3] ^= std::byte{1};
  WriteFile(*disk, path, damaged);

  CleanPass pass(*disk, task, codecs);
  const Result<OffsetMapFacts> map = pass.BuildMap();
  CHECK(map.status().code() == Code::kCorrupt);
  CHECK(pass.fault_segment() == source.base_offset);
  CHECK(pass.fault_position() == static_cast<int64_t>(second));

  // Damage that comes after the map was made.
  WriteFile(*disk, path, intact);
  CleanPass late(*disk, task, codecs);
  REQUIRE(late.BuildMap().ok());
  WriteFile(*disk, path, damaged);
  Status status;
  while (status.ok()) {
    const auto group = late.NextGroup();
    REQUIRE((!group.ok() || group->has_value()));
    status = group.status();
  }
  CHECK(status.code() == Code::kCorrupt);
  CHECK(late.fault_segment() == source.base_offset);
  char unfinished[48];
  std::snprintf(unfinished, sizeof unfinished, "%020lld.log.cleaned",
                static_cast<long long>(source.base_offset));
  CHECK(NamesWith(*disk, log.directory, unfinished) == 0);
  WriteFile(*disk, path, intact);
  CHECK(log.Content() == content);
}

TEST_CASE("cleaning ends soon when it is told to stop, and leaves nothing behind") {
  auto disk = NewCleanedDisk();
  KeyedLog log(*disk);
  Random random(3);
  log.Fill(random, 60, 10, false);
  log.Seal();
  FakeCodecs codecs;
  std::atomic<int32_t> stop{0};
  CleanPass pass(*disk, TaskFor(*log, log.directory, log.config, {}), codecs, &stop);
  REQUIRE(pass.BuildMap().ok());
  stop = 1;
  CHECK(pass.NextGroup().status().code() == Code::kStopped);
  CHECK(NamesWith(*disk, log.directory, ".cleaned") == 0);
}

TEST_CASE("cleaning keeps the file time of the newest segment that it stands for") {
  auto disk = NewCleanedDisk();
  disk->SetTime(5000);
  KeyedLog log(*disk);
  log.Put("a", "1");
  log.Seal();
  disk->SetTime(6000);
  log.Put("a", "2");
  log.Seal();
  disk->SetTime(9000);
  REQUIRE(log.CleanAll().status.ok());
  std::vector<SegmentFacts> facts(4);
  REQUIRE(*log->ListSegments(true, facts) == 2);
  CHECK(facts[0].modified_ms == 6000);
}

}  // namespace millrace::test
