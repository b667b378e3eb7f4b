#include <doctest/doctest.h>

#include "core/base/bytes.h"
#include "test/support/log_subject.h"
#include "test/support/random.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

struct Record {
  Offset offset;
  int64_t timestamp;
};

}  // namespace

TEST_CASE(
    "a timestamp leads to the first record that is as late, whatever the order of the records") {
  for (uint64_t seed : {1, 2, 3}) {
    SimDisk disk;
    Subject log(disk, "/topic-0");
    Random random(seed);
    std::vector<Record> records;
    for (uint64_t i = 0; i < 80; ++i) {
      BatchPlan plan{.records = 3, .content = i};
      plan.base_timestamp = static_cast<int64_t>(1000 + i * 20 + random.Below(400));
      plan.timestamp_step = random.Chance(2) ? 7 : -7;
      for (int r = 0; r < 3; ++r) {
        records.push_back(
            {static_cast<Offset>(records.size()), plan.base_timestamp + r * plan.timestamp_step});
      }
      REQUIRE(log.Append(plan, {.leader_epoch = static_cast<int32_t>(i)}).ok());
    }
    const auto check = [&](Offset start, Offset limit) {
      for (int64_t timestamp = 900; timestamp < 3200; timestamp += 13) {
        Record expected{-1, -1};
        for (const Record& record : records) {
          if (record.offset >= start && record.offset < limit && record.timestamp >= timestamp) {
            expected = record;
            break;
          }
        }
        TimestampPosition found = FindTimestamp(*log, timestamp, limit);
        REQUIRE(found.offset == expected.offset);
        REQUIRE(found.timestamp == expected.timestamp);
        REQUIRE(!found.in_compressed_batch);
        if (found.offset >= 0) REQUIRE(found.leader_epoch == found.offset / 3);
      }
      Record largest{-1, -1};
      for (const Record& record : records) {
        if (record.offset >= start && record.offset < limit && record.timestamp > largest.timestamp)
          largest = record;
      }
      TimestampPosition found = FindMaxTimestamp(*log, limit);
      REQUIRE(found.timestamp == largest.timestamp);
      REQUIRE(found.offset == largest.offset);
    };
    check(0, INT64_MAX);
    check(0, 120);
    log.CloseAndOpen();
    check(0, INT64_MAX);
    REQUIRE(log->AdvanceStart(63).ok());
    check(63, INT64_MAX);
    check(63, 180);
    REQUIRE(log->TruncateTo(150).ok());
    records.resize(150);
    check(63, INT64_MAX);
  }
}

TEST_CASE(
    "the time index is Kafka's: the largest so far with each offset entry, and the last on close") {
  SimDisk disk;
  Subject log(disk, "/topic-0", LogConfig{.index_interval_bytes = 250});
  for (int64_t timestamp : {50, 10, 20, 60, 70, 5, 80, 90, 15}) {
    REQUIRE(log.Append({.content = uint64_t(timestamp), .base_timestamp = timestamp}).ok());
  }
  const uint32_t size = static_cast<uint32_t>(log.batches[0].size());
  REQUIRE(size > 125);
  REQUIRE(size < 250);  // so an entry for every second batch
  REQUIRE(log->Close(true).ok());
  std::vector<std::byte> offsets = ReadFile(disk, log.Path("00000000000000000000.index"));
  REQUIRE(offsets.size() == 4 * 8);
  for (uint32_t i = 0; i < 4; ++i) {
    CHECK(LoadBigEndian<uint32_t>(&offsets[i * 8]) == 2 * (i + 1));
    CHECK(LoadBigEndian<uint32_t>(&offsets[i * 8 + 4]) == 2 * (i + 1) * size);
  }
  std::vector<std::byte> times = ReadFile(disk, log.Path("00000000000000000000.timeindex"));
  const std::vector<std::pair<int64_t, uint32_t>> expected{{50, 0}, {70, 4}, {80, 6}, {90, 7}};
  REQUIRE(times.size() == expected.size() * 12);
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(LoadBigEndian<int64_t>(&times[i * 12]) == expected[i].first);
    CHECK(LoadBigEndian<uint32_t>(&times[i * 12 + 8]) == expected[i].second);
  }
}

TEST_CASE(
    "of a compressed batch the batch itself is the answer, and append time needs no records") {
  SimDisk disk;
  Subject log(disk, "/topic-0");
  REQUIRE(log.Append({.records = 3, .base_timestamp = 100}).ok());
  REQUIRE(log.Append({.records = 3, .base_timestamp = 200, .timestamp_step = 10, .codec = 4},
                     {.leader_epoch = 9})
              .ok());
  REQUIRE(log.Append({.records = 3, .base_timestamp = 5, .codec = 4},
                     {.flags = kAppendLogAppendTime, .now_ms = 900})
              .ok());
  TimestampPosition found = FindTimestamp(*log, 205, INT64_MAX);
  CHECK(found.in_compressed_batch);
  CHECK(found.offset == 3);
  CHECK(found.timestamp == 220);
  CHECK(found.leader_epoch == 9);
  found = FindTimestamp(*log, 800, INT64_MAX);
  CHECK(!found.in_compressed_batch);
  CHECK(found.offset == 6);
  CHECK(found.timestamp == 900);
  found = FindMaxTimestamp(*log, 6);
  CHECK(found.in_compressed_batch);
  CHECK(found.offset == 3);
  CHECK(FindTimestamp(*log, 901, INT64_MAX).offset == -1);
  CHECK(FindTimestamp(*log, 800, 6).offset == -1);
  REQUIRE(log->AdvanceStart(7).ok());
  CHECK(FindTimestamp(*log, 0, INT64_MAX).offset == 7);
}

}  // namespace millrace::test
