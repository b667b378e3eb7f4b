// One flipped bit anywhere in a log's files, met by an open with every degree of trust: the log is
// refused as damaged, or cut where that may be, or goes on as it was; an index is never believed.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/log/log_services.h"
#include "core/log/segment_names.h"
#include "test/support/log_batches.h"
#include "test/support/log_model.h"
#include "test/support/sweep.h"

namespace millrace::test {
namespace {

const char* const kDirectory = "/topic-0";
constexpr size_t kBatchBytesOutsideChecksum = 21;

struct Trial {
  OpenTrust trust;
  bool point_at_end;  // the recovery point; else it is 0
};
constexpr Trial kTrials[] = {{OpenTrust::kClean, true},
                             {OpenTrust::kSameBoot, true},
                             {OpenTrust::kSameBoot, false},
                             {OpenTrust::kReboot, true},
                             {OpenTrust::kReboot, false}};

// A log of several segments, closed cleanly, and what was appended to it.
struct ClosedLog {
  SimDisk disk;
  LogServices services{8, LogServices::Background::kInline};
  LogModel model;
  std::vector<std::byte> content;

  ClosedLog() {
    bool refused = false;
    REQUIRE(model.Open(Place(disk), OpenTrust::kClean, 0, 0, &refused) == "");
    for (uint64_t i = 0; i < 24; ++i) {
      const auto timestamp = static_cast<int64_t>(1000 + 10 * i + i * 7 % 5);
      REQUIRE(model.Append(static_cast<int32_t>(1 + i % 3), 60 + i * 37 % 90, timestamp, i));
    }
    content = ReadAll(model.log(), 0, model.end());
    REQUIRE(model.CloseCleanly());
  }
  LogPlace Place(SimDisk& on) {
    LogConfig config;
    config.segment_bytes = 2000;
    config.index_interval_bytes = 300;
    return {&on, &services, kDirectory, config};
  }
};

std::unique_ptr<SimDisk> WithFlippedBit(SimDisk& disk, const std::string& path, size_t at,
                                        size_t bit) {
  std::unique_ptr<SimDisk> damaged = disk.KillProcess();
  Result<std::shared_ptr<File>> file = damaged->Open(path, OpenMode::kReadWrite);
  REQUIRE(file.ok());
  std::byte byte[1];
  REQUIRE(*(*file)->ReadAt(at, byte) == 1);
  byte[0] ^= static_cast<std::byte>(1u << bit % 8);
  REQUIRE((*file)->WriteAt(at, byte).ok());
  return damaged;
}

std::vector<std::string> PathsOf(SimDisk& disk, bool logs) {
  std::vector<std::string> paths;
  Result<std::vector<std::string>> names = disk.List(kDirectory);
  REQUIRE(names.ok());
  for (const std::string& name : *names) {
    if ((ParseFileName(name).kind == FileKind::kLog) == logs)
      paths.push_back(JoinPath(kDirectory, name));
  }
  return paths;
}

// What is served batch by batch: what was appended, or something that its checksum gives away. The
// base offset and the leader epoch lie outside of it: those that differ are counted.
std::string Judge(std::span<const std::byte> served, std::span<const std::byte> appended,
                  size_t* other_offsets) {
  size_t at = 0;
  while (at < served.size() && at < appended.size()) {
    BatchHeader header;
    if (!ParseBatchHeader(appended.subspan(at), &header).ok()) return "the test is wrong";
    const auto size = static_cast<size_t>(header.size_bytes);
    if (served.size() - at < size) return "";  // what follows cannot be read
    const auto batch = served.subspan(at, size);
    const auto was = appended.subspan(at, size);
    at += size;
    if (std::equal(batch.begin(), batch.end(), was.begin())) continue;
    if (!ParseBatchHeader(batch, &header).ok()) return "";
    if (header.size_bytes != static_cast<int32_t>(size)) return "";
    if (!BatchChecksumHolds(batch)) continue;
    if (!std::equal(batch.begin() + kBatchBytesOutsideChecksum, batch.end(),
                    was.begin() + kBatchBytesOutsideChecksum))
      return "other bytes with a checksum that holds";
    *other_offsets += !std::equal(batch.begin(), batch.begin() + 8, was.begin());
  }
  return served.size() > appended.size() ? "more than was appended" : "";
}

// Where it begins.
size_t LastBatch(std::span<const std::byte> bytes) {
  BatchHeader header;
  for (size_t at = 0;; at += static_cast<size_t>(header.size_bytes)) {
    REQUIRE(ParseBatchHeader(bytes.subspan(at), &header).ok());
    if (at + static_cast<size_t>(header.size_bytes) == bytes.size()) return at;
  }
}

}  // namespace

TEST_CASE("fault sweep: a flipped bit in an index is never believed") {
  ClosedLog closed;
  const Offset end = closed.model.end();
  for (const std::string& path : PathsOf(closed.disk, false)) {
    CAPTURE(path);
    const size_t size = ReadFile(closed.disk, path).size();
    for (size_t bit = 0; bit < size * 8; ++bit) {
      CAPTURE(bit);
      const std::unique_ptr<SimDisk> damaged = WithFlippedBit(closed.disk, path, bit / 8, bit);
      for (const Trial& trial : kTrials) {
        // Who opens cleanly believes most.
        if (trial.trust != OpenTrust::kClean && bit % 8 != bit / 8 * 5 % 8) continue;
        CAPTURE(static_cast<int>(trial.trust));
        const std::unique_ptr<SimDisk> disk = damaged->KillProcess();
        LogModel model = closed.model.After();
        bool refused = false;
        REQUIRE(model.Open(closed.Place(*disk), trial.trust, trial.point_at_end ? end : 0, 0,
                           &refused) == "");
        REQUIRE(model.CheckContent() == "");
        REQUIRE(model.Append(2, 100, 5000, 99));
        REQUIRE(model.CloseCleanly());
        // What was repaired, or was not, is right for the next one, too.
        LogModel next = model.After();
        REQUIRE(next.Open(closed.Place(*disk), OpenTrust::kClean, end, 0, &refused) == "");
        REQUIRE(next.CheckContent() == "");
      }
    }
  }
}

TEST_CASE("fault sweep: a flipped bit in a segment is refused, cut, or given away by a checksum") {
  ClosedLog closed;
  const Offset end = closed.model.end();
  const size_t stride = SweepStride(13);
  size_t flips = 0, refusals = 0, other_offsets = 0;
  for (const std::string& path : PathsOf(closed.disk, true)) {
    CAPTURE(path);
    const std::vector<std::byte> bytes = ReadFile(closed.disk, path);
    const size_t size = bytes.size();
    const size_t last_batch = LastBatch(bytes);
    for (size_t at = 0; at < size; at += stride) {
      CAPTURE(at);
      const std::unique_ptr<SimDisk> damaged = WithFlippedBit(closed.disk, path, at, at * 5);
      for (const Trial& trial : kTrials) {
        CAPTURE(static_cast<int>(trial.trust));
        CAPTURE(trial.point_at_end);
        ++flips;
        const std::unique_ptr<SimDisk> disk = damaged->KillProcess();
        const LogPlace place = closed.Place(*disk);
        Result<std::unique_ptr<Log>> log =
            Log::Open(*disk, kDirectory, place.config, trial.trust, trial.point_at_end ? end : 0, 0,
                      nullptr, &closed.services);
        if (!log.ok()) {
          REQUIRE(log.status().code() == Code::kCorrupt);
          ++refusals;
          continue;
        }
        size_t others = 0;
        REQUIRE(Judge(ReadAll(**log, 0, (*log)->log_end_offset()), closed.content, &others) == "");
        // Whoever scans everything finds those as well, but for a jump of a file's last batch:
        // there compaction may have left a gap.
        const bool scanned = trial.trust == OpenTrust::kReboot && !trial.point_at_end;
        if (scanned && at < last_batch) REQUIRE(others == 0);
        other_offsets += others;
      }
    }
  }
  MESSAGE("flips: " << flips << ", refused: " << refusals
                    << ", with another base offset that nobody checked: " << other_offsets);
}

}  // namespace millrace::test
