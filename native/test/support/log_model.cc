#include "test/support/log_model.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "core/base/bytes.h"
#include "core/log/log_view.h"
#include "core/log/segment_names.h"
#include "test/support/log_batches.h"

namespace millrace::test {
namespace {

constexpr int32_t kLeaderEpoch = 7;

// Whether Append got as far as giving the batch its place.
bool Stamped(const std::vector<std::byte>& batch) {
  return LoadBigEndian<int32_t>(batch.data() + kBatchLengthEnd) == kLeaderEpoch;
}

bool IsPutAside(const std::string& name) { return name.find(".log.cut-") != std::string::npos; }

}  // namespace

Offset LogModel::boundary_before(Offset offset) const {
  for (const Batch& batch : batches_) {
    if (batch.last_offset >= offset) return batch.base_offset;
  }
  return end();
}

std::string LogModel::Open(const LogPlace& place, OpenTrust trust, Offset recovery_point,
                           Offset log_start, bool* refused) {
  place_ = place;
  const uint64_t faults = place.disk->faults();
  *refused = false;
  log_.reset();
  Result<std::unique_ptr<Log>> log = Log::Open(*place.disk, place.directory, place.config, trust,
                                               recovery_point, log_start, &report_, place.services);
  if (!log.ok()) {
    *refused = place.disk->faults() != faults;
    return "it is refused with code " + std::to_string(static_cast<int>(log.status().code()));
  }
  log_ = std::move(*log);
  std::string wrong = Learn(log_start);
  // A fault while this looked around says nothing about what is there.
  if (!wrong.empty() && place.disk->faults() != faults) {
    *refused = true;
    log_.reset();
  }
  return wrong;
}

// `asked_start` is what the log was opened with.
std::string LogModel::Learn(Offset asked_start) {
  Result<std::vector<Batch>> found = ReadBatches();
  if (!found.ok()) return "what is there cannot be read";
  const Offset start = log_->log_start_offset();
  const Offset end = log_->log_end_offset();
  // What an interrupted reset left may begin above the start that it asked for, and stays there.
  const Offset expected_start = std::max(asked_start, log_start_);
  if (reset_to_ < 0 && started_ && start != expected_start) {
    return "it starts at " + std::to_string(start) + " instead of " +
           std::to_string(expected_start);
  }
  if (std::string wrong = Compare(*found, start, end); !wrong.empty()) return wrong;
  const bool reset = reset_to_ >= 0 && found->empty() && end == reset_to_;
  if (end < std::max(certain_end_, promised_end_) && !reset) {
    return "it ends at " + std::to_string(end) + ", but " +
           std::to_string(std::max(certain_end_, promised_end_)) + " was promised";
  }
  batches_ = std::move(*found);
  log_start_ = start;
  certain_end_ = end;
  promised_end_ = log_->durable_offset();  // the high watermark may follow it at once
  reset_to_ = -1;
  started_ = true;
  return "";
}

bool LogModel::Append(int32_t records, size_t value_bytes, int64_t timestamp, uint64_t content) {
  BatchPlan plan;
  plan.records = records;
  plan.value_bytes = value_bytes;
  plan.content = content;
  plan.base_timestamp = timestamp;
  const bool taken = Take(plan, 0);
  if (taken) certain_end_ = end();
  return taken;
}

bool LogModel::AppendTogether(uint64_t batches, size_t value_bytes, int64_t timestamp,
                              uint64_t content) {
  bool taken = true;
  for (uint64_t i = 0; i < batches; ++i) {
    BatchPlan plan;
    plan.records = 1 + static_cast<int32_t>(i % 3);
    plan.value_bytes = value_bytes;
    plan.content = content + (i << 32);
    plan.base_timestamp = timestamp;
    taken = Take(plan, kAppendGather) && taken;
  }
  taken = log_->WriteGathered().ok() && taken;
  if (!log_->TakeLoss().ok() && !place_.disk->crashed() && !log_->failed()) {
    while (end() > log_->log_end_offset()) batches_.pop_back();
  }
  if (taken) certain_end_ = end();
  return taken;
}

// Where a batch waits to be written, its bytes stay where they are: those of a vector that moves.
bool LogModel::Take(const BatchPlan& plan, uint32_t flags) {
  std::vector<std::byte> bytes = MakeBatch(plan);
  Appended appended;
  Status status =
      log_->Append(bytes, AppendOptions{.leader_epoch = kLeaderEpoch, .flags = flags}, &appended);
  const bool cut_off = place_.disk->crashed() || log_->failed();
  const Offset base_offset = end();
  if (status.ok() || (cut_off && Stamped(bytes)))
    batches_.push_back({base_offset, base_offset + plan.records - 1, std::move(bytes)});
  return status.ok();
}

bool LogModel::Flush() {
  const Offset end_before = log_->log_end_offset();
  Result<DurablePoint> point = log_->Flush();
  if (!point.ok() || point->offset != end_before || log_->durable_offset() != end_before)
    return false;
  promised_end_ = std::max(promised_end_, end_before);
  return true;
}

bool LogModel::Truncate(Offset offset) {
  const Offset boundary = std::max(boundary_before(offset), log_start_);
  promised_end_ = std::min(promised_end_, boundary);
  certain_end_ = std::min(certain_end_, boundary);
  if (!log_->TruncateTo(offset).ok()) return false;
  while (!batches_.empty() && batches_.back().last_offset >= offset) batches_.pop_back();
  return true;
}

bool LogModel::Reset(Offset offset) {
  promised_end_ = certain_end_ = 0;
  reset_to_ = offset;
  if (!log_->ResetTo(offset).ok()) return false;
  batches_.clear();
  reset_to_ = -1;
  promised_end_ = certain_end_ = log_start_ = offset;
  return true;
}

bool LogModel::AdvanceStart(Offset offset) {
  log_start_ = std::max(log_start_, offset);
  while (!batches_.empty() && batches_.front().last_offset < offset)
    batches_.erase(batches_.begin());
  promised_end_ = std::max(promised_end_, offset);
  return log_->AdvanceStart(offset).ok();
}

bool LogModel::CloseCleanly() {
  const bool closed = log_->Close(true).ok();
  log_.reset();
  if (closed) promised_end_ = end();
  return closed;
}

bool LogModel::Delete() {
  const bool deleted = log_->Delete().ok();
  log_.reset();
  return deleted;
}

LogModel LogModel::After() const {
  LogModel after;
  after.batches_ = batches_;
  after.certain_end_ = certain_end_;
  after.promised_end_ = promised_end_;
  after.reset_to_ = reset_to_;
  after.log_start_ = log_start_;
  after.started_ = started_;
  return after;
}

// `found` has to be a run of batches_ that begins with the one that holds the start.
std::string LogModel::Compare(const std::vector<Batch>& found, Offset start, Offset end) const {
  std::ostringstream what;
  auto expected = std::find_if(batches_.begin(), batches_.end(),
                               [&](const Batch& batch) { return batch.last_offset >= start; });
  Offset next = found.empty() ? start : found.front().base_offset;
  if (next > start) what << "the first batch is at " << next << ", the start at " << start;
  for (const Batch& batch : found) {
    if (expected == batches_.end()) {
      what << "offset " << batch.base_offset << " was never appended";
      break;
    }
    if (batch.base_offset != next || batch.base_offset != expected->base_offset) {
      what << "offset " << batch.base_offset << " instead of " << expected->base_offset;
      break;
    }
    if (batch.bytes != expected->bytes) {
      what << "other bytes at offset " << batch.base_offset;
      break;
    }
    next = batch.last_offset + 1;
    ++expected;
  }
  if (what.str().empty() && next != end)
    what << "batches end at " << next << ", the log at " << end;
  if (what.str().empty() && end < start) what << "it ends at " << end << ", before its start";
  return what.str();
}

Result<std::vector<LogModel::Batch>> LogModel::ReadBatches() {
  std::vector<Batch> batches;
  const std::vector<std::byte> bytes =
      ReadAll(*log_, log_->log_start_offset(), log_->log_end_offset());
  for (size_t at = 0; at < bytes.size();) {
    BatchHeader header;
    std::span<const std::byte> rest = std::span(bytes).subspan(at);
    if (Status status = ParseBatchHeader(rest, &header); !status.ok()) return status;
    std::span<const std::byte> batch = rest.first(static_cast<size_t>(header.size_bytes));
    batches.push_back({header.base_offset, header.last_offset, {batch.begin(), batch.end()}});
    at += batch.size();
  }
  return batches;
}

std::string LogModel::CheckContent() {
  Result<std::vector<Batch>> found = ReadBatches();
  if (!found.ok()) return "the content cannot be read";
  if (log_->log_start_offset() != log_start_) return "the start is not where it was moved to";
  if (std::string wrong = Compare(*found, log_->log_start_offset(), log_->log_end_offset());
      !wrong.empty()) {
    return wrong;
  }
  if (log_->log_end_offset() != end()) return "the end is not where the last append left it";
  const std::vector<BatchHeader> headers =
      HeadersOf(*log_, log_->log_start_offset(), log_->log_end_offset());
  if (headers.size() != batches_.size()) return "other headers than batches";
  for (size_t i = 0; i < batches_.size(); ++i) {
    const Batch& batch = batches_[i];
    if (headers[i].base_offset != batch.base_offset) return "a header is missing";
    const Offset offset = std::max(batch.last_offset, log_->log_start_offset());
    Result<FileRegion> region = ReadWaiting(*log_, offset, 1, log_->log_end_offset(), true);
    if (!region.ok() || BytesOf(*region) != batch.bytes) return "an offset leads to another batch";
  }
  return CheckTimestamps(headers);
}

// Record i of a batch has its base timestamp + i.
std::string LogModel::CheckTimestamps(const std::vector<BatchHeader>& headers) {
  const auto first_of = [&](const BatchHeader& header) {
    return std::max(header.base_offset, log_start_);
  };
  TimestampPosition latest;
  for (const BatchHeader& header : headers) {
    if (header.max_timestamp > latest.timestamp)
      latest = {header.last_offset, header.max_timestamp, kLeaderEpoch, false};
  }
  Result<TimestampPosition> largest = log_->View(0)->FindMaxTimestamp(0, log_->log_end_offset());
  if (!largest.ok()) return "the largest timestamp cannot be found";
  if (largest->timestamp != latest.timestamp || largest->offset != latest.offset)
    return "the largest timestamp is " + std::to_string(largest->timestamp) + " at " +
           std::to_string(largest->offset) + " instead of " + std::to_string(latest.timestamp) +
           " at " + std::to_string(latest.offset);
  for (size_t i = 0; i < headers.size(); i += 1 + headers.size() / 4) {
    const int64_t wanted = headers[i].base_timestamp;
    TimestampPosition first;
    for (const BatchHeader& header : headers) {
      if (header.max_timestamp < wanted) continue;
      const Offset offset =
          std::max(first_of(header), header.base_offset + (wanted - header.base_timestamp));
      first = {offset, header.base_timestamp + (offset - header.base_offset), kLeaderEpoch, false};
      break;
    }
    Result<TimestampPosition> answer =
        log_->View(0)->FindTimestamp(wanted, 0, log_->log_end_offset());
    if (!answer.ok()) return "a timestamp cannot be looked up";
    if (answer->offset != first.offset || answer->timestamp != first.timestamp)
      return "a timestamp leads elsewhere";
  }
  return "";
}

std::string LogModel::CheckRead(Offset offset) {
  Result<FileRegion> region = ReadWaiting(*log_, offset, 3000, log_->log_end_offset(), true);
  if (!region.ok()) return "";
  std::vector<std::byte> bytes(static_cast<size_t>(region->length()));
  Result<size_t> got = region->Read(0, bytes);
  if (!got.ok() || *got < bytes.size() || !region->Valid()) return "";
  std::vector<std::byte> expected;
  for (const Batch& batch : batches_) {
    if (batch.last_offset >= offset && expected.size() < bytes.size())
      expected.insert(expected.end(), batch.bytes.begin(), batch.bytes.end());
  }
  return bytes == expected ? "" : "a read from " + std::to_string(offset) + " gets other bytes";
}

std::string LogModel::CheckNames(const std::vector<std::string>& others) const {
  SegmentFacts segments[256];
  Result<size_t> count = log_->ListSegments(false, segments);
  Result<std::vector<std::string>> names = place_.disk->List(place_.directory);
  if (!count.ok() || !names.ok()) return "";
  std::set<Offset> bases;
  for (size_t i = 0; i < *count; ++i) bases.insert(segments[i].base_offset);
  size_t logs = 0;
  for (const std::string& name : *names) {
    const FileName parsed = ParseFileName(name);
    logs += parsed.kind == FileKind::kLog;
    const bool of_segment = parsed.base_offset >= 0 && bases.contains(parsed.base_offset);
    const bool of_host = std::any_of(others.begin(), others.end(), [&](const std::string& other) {
      return name.compare(0, other.size(), other) == 0;
    });
    if (!of_segment && !of_host && !IsPutAside(name) && parsed.kind != FileKind::kPrepared)
      return name + " is left over";
  }
  return logs == bases.size() ? "" : "a segment has no file";
}

uint64_t LogModel::CountPutAside() const {
  Result<std::vector<std::string>> names = place_.disk->List(place_.directory);
  if (!names.ok()) return 0;
  return static_cast<uint64_t>(std::count_if(names->begin(), names->end(), IsPutAside));
}

}  // namespace millrace::test
