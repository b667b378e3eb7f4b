#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "core/log/log.h"
#include "core/log/log_services.h"
#include "test/support/log_batches.h"
#include "test/support/sim_disk.h"

namespace millrace::test {
namespace {

LogConfig SmallSegments() {
  LogConfig config;
  config.segment_bytes = 4096;
  config.index_interval_bytes = 300;
  return config;
}

// A log and the bytes that were appended to it, as they were stamped.
class Subject {
 public:
  Subject(Disk& disk, std::string directory, LogConfig config = SmallSegments())
      : disk_(disk), directory_(std::move(directory)), config_(config) {
    Open(OpenTrust::kClean, 0, 0);
  }

  void Open(OpenTrust trust, Offset recovery_point, Offset log_start) {
    log_.reset();
    Result<std::unique_ptr<Log>> log =
        Log::Open(disk_, directory_, config_, trust, recovery_point, log_start, &report);
    REQUIRE(log.ok());
    log_ = std::move(*log);
  }

  Status Append(const BatchPlan& plan, Appended* appended = nullptr) {
    std::vector<std::byte> batch = MakeBatch(plan);
    Appended unread;
    Status status =
        log_->Append(batch, AppendOptions{.leader_epoch = 7}, appended ? appended : &unread);
    if (status.ok()) bytes.insert(bytes.end(), batch.begin(), batch.end());
    return status;
  }
  void AppendMany(int count) {
    for (int i = 0; i < count; ++i) {
      BatchPlan plan;
      plan.content = bytes.size();
      plan.records = 1 + i % 3;
      plan.base_timestamp = 1000 + log_->log_end_offset() * 10;
      REQUIRE(Append(plan).ok());
    }
  }
  Log& operator*() { return *log_; }
  Log* operator->() { return log_.get(); }
  void Drop() { log_.reset(); }

  std::vector<std::byte> bytes;
  OpenReport report;

 private:
  Disk& disk_;
  const std::string directory_;
  const LogConfig config_;
  std::unique_ptr<Log> log_;
};

}  // namespace

TEST_CASE("what was appended is read back byte for byte, over segments and after a clean restart") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(100);
  CHECK(log->active_base_offset() > 0);
  const Offset end = log->log_end_offset();
  CHECK(ReadAll(*log, 0, end) == log.bytes);
  CHECK(log->size_bytes() == log.bytes.size());

  REQUIRE(log->Close(true).ok());
  log.Open(OpenTrust::kClean, end, 0);
  CHECK(log.report.scanned_bytes == 0);
  CHECK(log.report.indexes_rebuilt == 0);
  CHECK(log->log_end_offset() == end);
  CHECK(log->durable_offset() == end);
  CHECK(ReadAll(*log, 0, end) == log.bytes);
  log.AppendMany(100);
  CHECK(ReadAll(*log, 0, log->log_end_offset()) == log.bytes);
}

TEST_CASE("every offset is found, also in the middle of a batch") {
  TemporaryDirectory directory;
  Subject log(PosixDisk(), directory.path() + "/topic-0");
  log.AppendMany(60);
  for (int round = 0; round < 2; ++round) {
    for (Offset offset = 0; offset < log->log_end_offset(); ++offset) {
      Result<FileRegion> region = log->Read(offset, 1, INT64_MAX, true);
      REQUIRE(region.ok());
      std::vector<std::byte> bytes = BytesOf(*region);
      BatchHeader header;
      REQUIRE(ParseBatchHeader(bytes, &header).ok());
      CHECK(header.base_offset <= offset);
      CHECK(header.last_offset >= offset);
      CHECK(bytes.size() == static_cast<size_t>(header.size_bytes));
    }
    REQUIRE(log->Close(true).ok());
    log.Open(OpenTrust::kClean, 0, 0);
  }
}

}  // namespace millrace::test
