#include "test/support/log_model.h"

#include <algorithm>
#include <sstream>

#include "core/base/bytes.h"
#include "core/log/log_view.h"
#include "test/support/log_batches.h"

namespace millrace::test {
namespace {

constexpr int32_t kLeaderEpoch = 7;
const char* const kDirectory = "/data/topic-0";

// Whether Append got as far as giving the batch its place.
bool Stamped(const std::vector<std::byte>& batch) {
  return LoadBigEndian<int32_t>(batch.data() + kBatchLengthEnd) == kLeaderEpoch;
}

}  // namespace

Offset LogModel::EndOf(const std::vector<Batch>& batches) const {
  return batches.empty() ? log_start_ : batches.back().last_offset + 1;
}

Offset LogModel::boundary_before(Offset offset) const {
  for (const Batch& batch : batches_) {
    if (batch.last_offset >= offset) return batch.base_offset;
  }
  return end();
}

bool LogModel::Open() {
  const OpenTrust trust = clean_marker_              ? OpenTrust::kClean
                          : power_loss_ || distrust_ ? OpenTrust::kReboot
                                                     : OpenTrust::kSameBoot;
  clean_marker_ = false;  // removed before anything is written
  Result<std::unique_ptr<Log>> log =
      Log::Open(*disk_, kDirectory, config_, trust, recovery_point_, log_start_, &report_);
  open_code_ = log.status().code();
  if (!log.ok()) return false;
  log_ = std::move(*log);
  return true;
}

bool LogModel::Append(int32_t records, size_t value_bytes) {
  BatchPlan plan;
  plan.records = records;
  plan.value_bytes = value_bytes;
  plan.content = ++content_;
  plan.base_timestamp = 1'000'000 + static_cast<int64_t>(content_ * 7 % 50);
  std::vector<std::byte> bytes = MakeBatch(plan);
  Appended appended;
  Status status = log_->Append(bytes, AppendOptions{.leader_epoch = kLeaderEpoch}, &appended);
  const bool may_be_there = status.ok() || (disk_->crashed() && Stamped(bytes));
  const Offset base_offset = end();
  if (may_be_there) batches_.push_back({base_offset, base_offset + records - 1, std::move(bytes)});
  if (status.ok()) certain_end_ = end();
  return status.ok();
}

bool LogModel::Flush() {
  const Offset end_before = log_->log_end_offset();
  Result<DurablePoint> point = log_->Flush();
  if (!point.ok()) {
    distrust_ = true;
    return false;
  }
  if (point->offset != end_before || log_->durable_offset() != end_before) return false;
  promised_end_ = end_before;
  return true;
}

void LogModel::Checkpoint() { recovery_point_ = std::max(recovery_point_, log_->durable_offset()); }

bool LogModel::Truncate(Offset offset) {
  const Offset boundary = boundary_before(offset);
  recovery_point_ = std::min(recovery_point_, offset);
  promised_end_ = std::min(promised_end_, boundary);
  certain_end_ = std::min(certain_end_, boundary);
  recovery_point_ = std::min(recovery_point_, boundary);
  if (!log_->TruncateTo(offset).ok()) {
    distrust_ = true;
    return false;
  }
  while (!batches_.empty() && batches_.back().base_offset >= boundary) batches_.pop_back();
  return true;
}

bool LogModel::Reset(Offset offset) {
  log_start_ = offset;
  recovery_point_ = std::min(recovery_point_, offset);
  promised_end_ = certain_end_ = 0;
  reset_to_ = offset;
  if (!log_->ResetTo(offset).ok()) {
    distrust_ = true;
    return false;
  }
  batches_.clear();
  reset_to_ = -1;
  promised_end_ = certain_end_ = offset;
  return true;
}

bool LogModel::AdvanceStart(Offset offset) {
  log_start_ = offset;
  while (!batches_.empty() && batches_.front().last_offset < offset)
    batches_.erase(batches_.begin());
  promised_end_ = std::max(promised_end_, offset);
  return log_->AdvanceStart(offset).ok();
}

bool LogModel::CloseCleanly() {
  const bool closed = log_->Close(true).ok();
  log_.reset();
  if (!closed) {
    distrust_ = true;
    return false;
  }
  clean_marker_ = true;
  recovery_point_ = promised_end_ = end();
  return true;
}

LogModel LogModel::After(SimDisk& disk, bool power_loss) const {
  LogModel after(disk, config_);
  after.batches_ = batches_;
  after.certain_end_ = certain_end_;
  after.promised_end_ = promised_end_;
  after.reset_to_ = reset_to_;
  after.recovery_point_ = recovery_point_;
  after.log_start_ = log_start_;
  after.clean_marker_ = clean_marker_;
  after.distrust_ = distrust_;
  after.power_loss_ = power_loss || power_loss_;
  after.content_ = content_;
  return after;
}

std::string LogModel::RecoverAndCheck() {
  const bool cache_kept = !power_loss_ && !distrust_;
  if (!Open()) {
    std::ostringstream what;
    what << "refused with code " << static_cast<int>(open_code_);
    return what.str();
  }
  Result<std::vector<Batch>> found = ReadBatches();
  if (!found.ok()) return "what is there cannot be read";
  const Offset start = log_->log_start_offset();
  const Offset end = log_->log_end_offset();
  std::string wrong = Compare(*found, start, end);
  if (!wrong.empty()) return wrong;
  const Offset needed = cache_kept ? certain_end_ : promised_end_;
  const bool reset = reset_to_ >= 0 && found->empty() && end == reset_to_;
  if (end < needed && !reset) {
    std::ostringstream what;
    what << "ends at " << end << ", but " << needed << " was promised";
    return what.str();
  }
  batches_ = std::move(*found);
  log_start_ = start;
  certain_end_ = end;
  reset_to_ = -1;
  distrust_ = false;
  power_loss_ = false;
  return CheckContent();
}

// `found` has to be a run of batches_ that begins with the one that holds the start.
std::string LogModel::Compare(const std::vector<Batch>& found, Offset start, Offset end) const {
  std::ostringstream what;
  if (reset_to_ < 0 && start != log_start_)
    what << "starts at " << start << " instead of " << log_start_;
  auto expected = std::find_if(batches_.begin(), batches_.end(),
                               [&](const Batch& batch) { return batch.last_offset >= start; });
  Offset next = found.empty() ? end : found.front().base_offset;
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
  if (!found.ok()) return "content cannot be read";
  if (std::string wrong = Compare(*found, log_->log_start_offset(), log_->log_end_offset());
      !wrong.empty()) {
    return wrong;
  }
  if (log_->log_end_offset() != end()) return "the end is not where the last append left it";
  const std::vector<BatchHeader> headers =
      HeadersOf(*log_, log_->log_start_offset(), log_->log_end_offset());
  if (headers.size() != batches_.size()) return "other headers than batches";
  TimestampPosition latest;
  for (size_t i = 0; i < batches_.size(); ++i) {
    const Batch& batch = batches_[i];
    if (headers[i].base_offset != batch.base_offset) return "a header is missing";
    const Offset offset = std::max(batch.last_offset, log_->log_start_offset());
    Result<FileRegion> region = log_->Read(offset, 1, log_->log_end_offset(), true);
    if (!region.ok() || BytesOf(*region) != batch.bytes) return "an offset leads to another batch";
    if (headers[i].max_timestamp > latest.timestamp && log_start_ <= batch.base_offset) {
      latest = {batch.last_offset, headers[i].max_timestamp, kLeaderEpoch, false};
    }
  }
  Result<TimestampPosition> largest = log_->View(0)->FindMaxTimestamp(0, log_->log_end_offset());
  if (!largest.ok()) return "the largest timestamp cannot be found";
  if (!batches_.empty() && batches_.front().base_offset >= log_start_ &&
      (largest->timestamp != latest.timestamp || largest->offset != latest.offset)) {
    return "the largest timestamp is elsewhere";
  }
  return "";
}

}  // namespace millrace::test
