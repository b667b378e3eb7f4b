#include "core/log/log_impl.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/log/recovery.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr uint64_t kPreparedBytes = 64 << 10;
// A log that fills a segment in less gets the next one's blocks all at once: while much is on its
// way to the disk, an extent takes the file system 10 ms, for which the decision thread would wait.
constexpr int64_t kFastSegmentMs = 20'000;
// So much of a segment tells how fast it is filled.
constexpr uint64_t kTellingShare = 8;
constexpr size_t kPrivateOpenFiles = 64;
constexpr uint64_t kBlockBytes = 4096;

uint64_t RoundUpToBlocks(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

bool NeedsOwnServices(const Disk& disk, const LogServices* services) {
  return services == nullptr && &disk != &PosixDisk();
}

}  // namespace

Result<std::unique_ptr<Log>> Log::Open(Disk& disk, const std::string& directory,
                                       const LogConfig& config, OpenTrust trust,
                                       Offset recovery_point, Offset log_start_offset,
                                       OpenReport* report, LogServices* services,
                                       RecoverySync sync) {
  if (recovery_point < 0 || log_start_offset < 0) return Status(Code::kInvalidArgument);
  auto log = std::make_unique<LogImpl>(disk, services, directory, config);
  OpenReport unread;
  Status status = log->Recover(trust, recovery_point, log_start_offset, sync,
                               report != nullptr ? report : &unread);
  if (!status.ok()) return status;
  return std::unique_ptr<Log>(std::move(log));
}

LogImpl::LogImpl(Disk& disk, LogServices* services, std::string directory, const LogConfig& config)
    : disk_(disk),
      own_services_(
          NeedsOwnServices(disk, services)
              ? std::make_unique<LogServices>(kPrivateOpenFiles, LogServices::Background::kInline)
              : nullptr),
      services_(own_services_ != nullptr ? *own_services_
                : services != nullptr    ? *services
                                         : LogServices::Process()),
      directory_(std::move(directory)),
      file_system_(services_.FileSystemOf(disk, ParentDirectory(directory_))),
      config_(config),
      dirty_(disk, services_.files(), directory_),
      spares_(std::make_shared<SpareSegments>(disk, services_, directory_)),
      prepared_(disk, services_, spares_, directory_),
      removals_(disk, services_, spares_) {
  Configure(config);
}

LogImpl::~LogImpl() { LetGo(); }

Status LogImpl::Recover(OpenTrust trust, Offset recovery_point, Offset log_start_offset,
                        RecoverySync sync, OpenReport* report) {
  *report = OpenReport();
  Recovery recovery(disk_, services_.files(), directory_, config_, sync, report);
  Result<RecoveredLog> recovered = recovery.Run(trust, recovery_point, log_start_offset);
  if (!recovered.ok()) return recovered.status();
  if (file_system_ != nullptr && !file_system_->Holds(directory_)) file_system_.reset();
  segments_ = std::move(recovered->segments);
  CountRolledBytes();
  log_start_ = report->log_start_offset;
  dirty_.Begin(report->log_end_offset);
  if (recovered->names_dirty) dirty_.NamesChanged(true);
  if (recovered->last_unsynced) dirty_.Add(active().Dirty());
  return Status::Ok();
}

void LogImpl::Configure(const LogConfig& config) {
  (void)WriteOut();  // by what it was reserved for; a failure is told by the next append
  config_ = config;
  spares_->Configure(config.spare_segments, RoundUpToBlocks(config.segment_bytes));
}

Status LogImpl::CheckUsable() const {
  if (segments_.empty()) return Status(Code::kClosed);
  return dirty_.failed() ? Status(Code::kFailed) : Status::Ok();
}

Status LogImpl::Judge(Status status) {
  const bool lost = status.code() == Code::kFailed || status.code() == Code::kCorrupt ||
                    status.code() == Code::kNotFound;
  if (lost || (!segments_.empty() && active().damaged())) dirty_.Fail(status);
  return status;
}

Status LogImpl::CheckRoom(uint64_t size) {
  const uint64_t kept = services_.kept_free();
  if (kept == 0 || config_.uses_reserve) return Status::Ok();
  const auto enough = [&] {
    Result<uint64_t> free = disk_.FreeBytes(directory_);
    return !free.ok() || *free >= kept + size;
  };
  return enough() || (GiveBackSpares() && enough()) ? Status::Ok() : Status(Code::kNoSpace);
}

bool LogImpl::GiveBackSpares() {
  if (config_.spare_segments == 0) return false;
  const bool spares = spares_->Discard();
  return prepared_.Discard() || spares;
}

Status LogImpl::Validate(std::span<const std::byte> batch, const AppendOptions& options,
                         Appended* verdict) const {
  *verdict = Appended();
  BatchHeader header;
  if (Status status = CheckBatch(batch, options, &header, verdict); !status.ok()) return status;
  return batch.size() <= config_.segment_bytes ? Status::Ok()
                                               : Status(Code::kBatchLargerThanSegment);
}

Status LogImpl::Append(std::span<std::byte> batch, const AppendOptions& options,
                       Appended* appended) {
  *appended = Appended();
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (!lost_.ok()) return lost_;
  BatchHeader header;
  if (Status status = CheckBatch(batch, options, &header, appended); !status.ok()) return status;
  if (batch.size() > config_.segment_bytes) return Status(Code::kBatchLargerThanSegment);
  if (!Gathers(batch.size(), options) || gathered_.Full(batch.size())) {
    if (Status status = WriteOut(); !status.ok()) return status;
  }
  if (Status status = CheckRoom(gathered_.bytes() + batch.size()); !status.ok()) return status;

  const Offset base_offset = log_end_offset();
  Offset last_offset;
  if (__builtin_add_overflow(base_offset, header.last_offset - header.base_offset, &last_offset) ||
      last_offset == INT64_MAX) {
    return Status(Code::kOffsetOutOfRange);
  }
  const bool append_time = (options.flags & kAppendLogAppendTime) != 0;
  const Status room =
      MakeRoom(batch.size(), last_offset, append_time ? options.now_ms : header.max_timestamp,
               options.now_ms, &appended->rolled);
  if (!room.ok()) return room;

  StampBatch(batch, base_offset, options, &header);
  appended->gathered = Gathers(batch.size(), options);
  if (appended->gathered) {
    gathered_.Add(batch, header);
  } else {
    assert(gathered_.empty());
    if (Status status = active().Append(batch, header, config_); !status.ok()) return Judge(status);
    dirty_.SetEnd(active().end_offset());
    if (config_.mapped) active().AdvanceTail(services_, MappedTail::Next::kStored);
  }

  appended->base_offset = base_offset;
  appended->last_offset = last_offset;
  appended->max_timestamp = header.max_timestamp;
  PrepareNext();
  return Status::Ok();
}

bool LogImpl::Gathers(uint64_t size, const AppendOptions& options) const {
  return (options.flags & kAppendGather) != 0 && !config_.mapped &&
         size <= GatheredBatches::kLargest && active().CanGather(gathered_.count(), config_);
}

Status LogImpl::WriteOut() {
  if (gathered_.empty()) return lost_;
  lost_ = Judge(active().AppendGathered(gathered_.batches(), config_));
  gathered_.Clear();
  dirty_.SetEnd(active().end_offset());
  return lost_;
}

Status LogImpl::MakeRoom(uint64_t size, Offset last_offset, int64_t max_timestamp, int64_t now_ms,
                         bool* rolled, size_t batches) {
  Result<bool> roll = active().MustRoll(gathered_.bytes() + size, last_offset, max_timestamp,
                                        now_ms, config_, batches);
  if (!roll.ok()) return Judge(roll.status());
  if (*roll) {
    if (Status written = WriteOut(); !written.ok()) return written;
    Status status = RollTo(dirty_.end());
    if (status.code() == Code::kNoSpace && GiveBackSpares()) status = RollTo(dirty_.end());
    if (!status.ok()) return Judge(status);
    *rolled = true;
  }
  now_ms_ = now_ms;
  if (!pace_.has_value()) pace_ = Pace{now_ms, active().length()};
  // What was gathered is written where the log has rolled.
  const uint64_t reserve = gathered_.bytes() + size;
  const size_t count = gathered_.count() + batches;
  Status reserved = active().Reserve(reserve, config_, count);
  if (reserved.code() == Code::kNoSpace && GiveBackSpares())
    reserved = active().Reserve(reserve, config_, count);
  ListActive();
  if (reserved.ok() && !config_.mapped) reserved = active().WriteAhead(reserve, dirty_.syncs());
  return reserved.ok() ? reserved : Judge(reserved);
}

Result<TailSpace> LogImpl::MakeTailRoom(uint64_t bytes, size_t batches, int64_t now_ms) {
  if (!config_.mapped) return Status(Code::kInvalidArgument);
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (bytes > config_.segment_bytes) return Status(Code::kBatchLargerThanSegment);
  if (Status status = CheckRoom(bytes); !status.ok()) return status;
  TailSpace space;
  space.base_offset = dirty_.end();
  // No record takes less than a byte.
  Offset last_offset;
  if (__builtin_add_overflow(space.base_offset, static_cast<Offset>(bytes), &last_offset))
    return Status(Code::kOffsetOutOfRange);
  bool rolled;  // the space tells
  const Status room = MakeRoom(bytes, last_offset, now_ms, now_ms, &rolled, batches);
  if (!room.ok()) return room;
  space.segment_base_offset = active().base_offset();
  space.position = active().length();
  return space;
}

Result<TailSpace> LogImpl::ReserveTail(uint64_t bytes, int64_t now_ms, TailWay way) {
  Result<TailSpace> space = MakeTailRoom(bytes, 1, now_ms);
  if (!space.ok()) return space;
  if (way == TailWay::kMemory) {
    active().AdvanceTail(services_, MappedTail::Next::kStored);
    space->bytes = active().Tail(bytes);
  } else if (Status ahead = active().WriteAhead(bytes, dirty_.syncs()); !ahead.ok()) {
    return Judge(ahead);
  }
  return space;
}

Result<TailSpace> LogImpl::ReserveRun(uint64_t bytes, size_t batches, int64_t now_ms) {
  Result<TailSpace> space = MakeTailRoom(bytes, batches, now_ms);
  if (!space.ok()) return space;
  if (Status ahead = active().WriteAhead(bytes, dirty_.syncs()); !ahead.ok()) return Judge(ahead);
  active().AdvanceTail(services_, MappedTail::Next::kWritten);
  // A write meets no page that was lost, and would leave a hole in its place.
  if (Status status = active().CheckUncut(); !status.ok()) return Judge(status);
  return space;
}

bool LogImpl::AtEnd(const TailSpace& space) const {
  return space.segment_base_offset == active().base_offset() &&
         space.position == active().length() && space.base_offset == dirty_.end();
}

Status LogImpl::WriteTail(const TailSpace& space, uint64_t at, std::span<const std::byte> bytes) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (!AtEnd(space)) return Status(Code::kInvalidArgument);
  return Judge(active().WriteBehind(at, bytes));
}

Status LogImpl::CheckTail() {
  if (Status status = CheckUsable(); !status.ok()) return status;
  return active().tail_lost() ? Judge(Status(Code::kCorrupt)) : Status::Ok();
}

Status LogImpl::AppendInPlace(const TailSpace& space, std::span<const std::byte> batch,
                              const BatchHeader& header) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (!AtEnd(space) || header.base_offset != space.base_offset)
    return Status(Code::kInvalidArgument);
  const auto copy = space.bytes.empty() ? Segment::Copy::kByWrite : Segment::Copy::kToMemory;
  const Status appended = active().Append(batch, header, config_, copy);
  if (!appended.ok()) return Judge(appended);
  dirty_.SetEnd(active().end_offset());
  PrepareNext();
  return Status::Ok();
}

Status LogImpl::AppendRun(const TailSpace& space, std::span<const std::byte> run,
                          std::span<const BatchHeader> headers) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (!AtEnd(space)) return Status(Code::kInvalidArgument);
  if (Status status = active().AppendRun(run, headers, config_); !status.ok()) return Judge(status);
  dirty_.SetEnd(active().end_offset());
  PrepareNext();
  return Status::Ok();
}

// The active segment's file may be opened by a Reserve that then fails for another reason.
void LogImpl::ListActive() {
  if (active_listed_ || !active().writing()) return;
  dirty_.Add(active().Dirty());
  active_listed_ = true;
}

// Small logs never get there, so that they cost one segment.
void LogImpl::PrepareNext() {
  if (active().length() <= config_.segment_bytes / 2) return;
  const bool fast = FillsFast();
  prepared_.Start({.allocate_bytes = fast ? RoundUpToBlocks(config_.segment_bytes) : kPreparedBytes,
                   .least_bytes = kPreparedBytes,
                   .sync = !fast || !config_.mapped});
}

bool LogImpl::FillsFast() const {
  if (!pace_.has_value()) return false;
  const uint64_t written = active().length() - std::min(pace_->begin_bytes, active().length());
  if (written < config_.segment_bytes / kTellingShare) return false;
  const auto passed = static_cast<double>(std::max<int64_t>(now_ms_ - pace_->begin_ms, 0));
  return passed / static_cast<double>(written) * static_cast<double>(config_.segment_bytes) <
         static_cast<double>(kFastSegmentMs);
}

Status LogImpl::Roll() {
  if (Status status = CheckUsable(); !status.ok()) return status;
  if (Status status = WriteOut(); !status.ok()) return status;
  if (active().length() == 0) return Status::Ok();
  return Judge(RollTo(dirty_.end()));
}

// In an order that leaves a log at every step: the old segment is complete, then the new one exists
// and is empty, then the flush learns of both. The flush trims the old files, so that rolling waits
// for nothing, but for the first roll of a log that was never flushed: if the power went, and of
// two new names only the second were left, the log would look as if it had always begun there.
Status LogImpl::RollTo(Offset base_offset) {
  if (Status status = active().CheckUncut(); !status.ok()) return status;
  if (segments_.size() == 1) {
    if (Status status = dirty_.SyncNewNames(); !status.ok()) return status;
  }
  if (Status status = active().FinishIndexes(); !status.ok()) return status;
  auto next = std::make_unique<Segment>(disk_, services_.files(), directory_, base_offset,
                                        config_.index_interval_bytes);
  uint64_t allocated = 0;
  Result<std::shared_ptr<File>> file = NextFile(next->file()->file().path(), &allocated);
  if (!file.ok()) return file.status();
  next->Begin(std::move(*file), allocated);

  dirty_.NamesChanged(false);
  dirty_.Add(active().Seal());
  dirty_.Add(next->Dirty());
  rolled_bytes_ += active().length();
  segments_.push_back(std::move(next));
  active_listed_ = true;
  pace_.reset();
  return Status::Ok();
}

Result<std::shared_ptr<File>> LogImpl::NextFile(const std::string& path, uint64_t* allocated) {
  if (std::shared_ptr<File> prepared = prepared_.Take(allocated); prepared != nullptr) {
    Status status = disk_.Rename(prepared_.path(), path);
    if (status.ok()) return prepared;
    if (status.code() != Code::kNotFound) {
      (void)disk_.Unlink(prepared_.path());
      return status;
    }
  }
  *allocated = 0;
  Result<std::shared_ptr<File>> file = disk_.Open(path, OpenMode::kCreateNew);
  if (!file.ok() && file.status().code() == Code::kTooManyFiles) {
    services_.files().CloseIdle();
    file = disk_.Open(path, OpenMode::kCreateNew);
  }
  return file;
}

Result<size_t> LogImpl::ListSegments(bool times, std::span<SegmentFacts> into) {
  const size_t count = std::min(into.size(), segments_.size());
  for (size_t i = 0; i < count; ++i) {
    Segment& segment = *segments_[i];
    into[i] = SegmentFacts{.base_offset = segment.base_offset(), .size_bytes = segment.length()};
    if (!times) continue;
    Result<TimestampOffset> largest = segment.MaxTimestamp();
    if (!largest.ok()) return largest.status();
    Result<int64_t> modified_ms = segment.ModifiedMs();
    if (!modified_ms.ok()) return modified_ms.status();
    into[i].max_timestamp = largest->timestamp;
    into[i].modified_ms = *modified_ms;
  }
  return count;
}

// Asked with every look at the log's state, so it is not added up anew.
uint64_t LogImpl::size_bytes() const {
  return segments_.empty() ? 0 : rolled_bytes_ + active().length() + gathered_.bytes();
}

void LogImpl::CountRolledBytes() {
  rolled_bytes_ = 0;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) rolled_bytes_ += segments_[i]->length();
}

Offset LogImpl::active_base_offset() const {
  return segments_.empty() ? dirty_.end() : active().base_offset();
}

bool LogImpl::Rest() {
  if (!CheckUsable().ok() || !active().writing()) return true;
  if (!gathered_.empty() || !lost_.ok()) return false;
  const auto stopped = dirty_.TryStopFlush();
  if (!stopped.owns_lock() || !dirty_.clean()) return false;
  prepared_.Discard();
  spares_->Discard();
  if (Status status = active().Pause(); !status.ok()) return false;
  dirty_.Forget(active().base_offset(), INT64_MAX);
  active_listed_ = false;
  return true;
}

Status LogImpl::Close(bool clean) {
  if (segments_.empty()) return Status::Ok();
  Status status = clean ? CloseClean(true) : Status::Ok();
  LetGo();
  return status;
}

Status LogImpl::CloseUnsynced() {
  if (segments_.empty()) return Status::Ok();
  Status status = CloseClean(file_system_ == nullptr);
  LetGo();
  return status;
}

// After the flush has trimmed and synced the rolled segments, the active one is left.
Status LogImpl::CloseClean(bool sync) {
  (void)WriteOut();  // without those that cannot be written it is whole
  EndSpares();
  SettleReplacement();
  (void)removals_.Finish();  // what cannot be removed now the next start removes
  const auto stopped = dirty_.StopFlush();
  if (Result<DurablePoint> flushed = dirty_.FlushStopped(); !flushed.ok()) return flushed.status();
  for (const auto& segment : segments_) {
    // What a full disk has no room for the next start makes again.
    Status status = segment->Repair();
    if (!status.ok() && status.code() != Code::kNoSpace) return status;
  }
  if (active().at_rest()) return Status::Ok();  // since it was opened, or last written and closed
  if (Status status = active().Rest(); !status.ok()) return status;
  if (!sync) return Status::Ok();
  dirty_.Add(active().Seal());
  Result<DurablePoint> flushed = dirty_.FlushStopped();
  return flushed.status();
}

// What is removed from here on is not kept.
void LogImpl::EndSpares() {
  spares_->Configure(0, 0);
  prepared_.Discard();
  spares_->Discard();
}

void LogImpl::LetGo() {
  EndSpares();
  if (replacement_ != nullptr) replacement_->Abandon();
  removals_.Abandon();
  spares_->Discard();  // one may have been on its way
  segments_.clear();
  gathered_.Clear();
  dirty_.Forget(0, INT64_MAX);
}

}  // namespace millrace
