#include "test/support/log_subject.h"

#include <cstdio>
#include <cstdlib>

#include "core/log/segment_names.h"

namespace millrace::test {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "log_subject: %s\n", what);
  std::abort();
}

}  // namespace

LogConfig SmallSegments() {
  LogConfig config;
  config.segment_bytes = 4096;
  config.index_interval_bytes = 300;
  return config;
}

Subject::Subject(Disk& disk, std::string directory, LogConfig config, LogServices* services,
                 OpenTrust trust)
    : config(config), disk_(disk), directory_(std::move(directory)), services_(services) {
  Open(trust, 0);
}

Code Subject::TryOpen(OpenTrust trust, Offset recovery_point, Offset log_start) {
  log_.reset();
  Result<std::unique_ptr<Log>> log =
      Log::Open(disk_, directory_, config, trust, recovery_point, log_start, &report, services_);
  if (log.ok()) log_ = std::move(*log);
  return log.status().code();
}

void Subject::Open(OpenTrust trust, Offset recovery_point, Offset log_start) {
  Require(TryOpen(trust, recovery_point, log_start) == Code::kOk, "the log does not open");
}

void Subject::CloseAndOpen() {
  const Offset start = log_->log_start_offset();
  const Offset end = log_->log_end_offset();
  Require(log_->Close(true).ok(), "the log does not close");
  Open(OpenTrust::kClean, end, start);
}

Status Subject::Append(const BatchPlan& plan, AppendOptions options, millrace::Appended* appended) {
  std::vector<std::byte> batch = MakeBatch(plan);
  millrace::Appended unread;
  Status status = log_->Append(batch, options, appended != nullptr ? appended : &unread);
  if (status.ok()) batches.push_back(std::move(batch));
  return status;
}

void Subject::AppendMany(int count) {
  for (int i = 0; i < count; ++i) {
    BatchPlan plan;
    plan.content = batches.size();
    plan.records = 1 + i % 3;
    plan.base_timestamp = 1000 + end() * 10;
    Require(Append(plan).ok(), "the log takes no append");
  }
}

void Subject::Flush() {
  Result<DurablePoint> point = log_->Flush();
  Require(point.ok() && point->offset == end(), "the log does not flush");
}

std::string Subject::LogPath(Offset base_offset) const {
  return Path(SegmentFileName(base_offset, FileKind::kLog));
}

std::vector<std::byte> Subject::Appended(Offset from, Offset to) const {
  std::vector<std::byte> all;
  for (const std::vector<std::byte>& batch : batches) {
    BatchHeader header;
    Require(ParseBatchHeader(batch, &header).ok(), "a batch was not stamped");
    if (header.base_offset >= from && header.base_offset <= to)
      all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

}  // namespace millrace::test
