#include "core/embedded/writer.h"

#include <algorithm>
#include <utility>

#include "core/embedded/batch_recovery.h"
#include "core/embedded/writer_lock.h"
#include "core/log/log_services.h"
#include "core/log/segment_names.h"

namespace millrace {
namespace {

constexpr size_t kInlineOpenFiles = 64;
// Less than most batches, so that each has an entry and whoever reads one record looks at no other.
constexpr uint32_t kIndexIntervalBytes = 1024;
// One on its way to be the next segment, and one that was removed meanwhile.
constexpr uint32_t kSpareSegments = 2;
// A flush of less than this is one of many; so much without one, and storing pays again.
constexpr uint64_t kSmallFlushBytes = 256 << 10;
// So many bytes at once, and so many batches of them, are written and not stored: a call of the
// system costs less than the faults of as many pages, and few batches are smaller for being sealed
// with their call.
constexpr uint64_t kLargeBytes = 16 << 10;
constexpr uint64_t kLargeBatches = 4;
constexpr uint64_t kRunBytes = 128 << 10;
constexpr uint32_t kLargestOfRun = kRunBytes / 2;
// A segment that is left for the next one has less room than this share.
constexpr uint64_t kRunsPerSegment = 8;

Status MakeDirectories(Disk& disk, const std::string& directory) {
  Status status = disk.MakeDirectory(directory);
  const std::string parent = ParentDirectory(directory);
  if (status.code() == Code::kNotFound && parent != directory) {
    if (Status made = MakeDirectories(disk, parent); !made.ok()) return made;
    status = disk.MakeDirectory(directory);
    // The log syncs its own name, and nobody those above it.
    if (status.ok()) status = disk.SyncDirectory(ParentDirectory(parent));
  }
  return status.code() == Code::kExists ? Status::Ok() : status;
}

// How far the files may be trusted. Without a checkpoint somebody else wrote them.
OpenTrust TrustIn(const std::optional<Checkpoint>& checkpoint, const BootId& boot_id) {
  if (!checkpoint.has_value()) return OpenTrust::kReboot;
  if (checkpoint->clean) return OpenTrust::kClean;
  return SameBoot(checkpoint->boot_id, boot_id) ? OpenTrust::kSameBoot : OpenTrust::kReboot;
}

Result<std::unique_ptr<Log>> OpenFilesOf(Disk& disk, const std::string& directory,
                                         const LogConfig& config,
                                         const std::optional<Checkpoint>& checkpoint,
                                         const BootId& boot_id, OpenReport* report,
                                         LogServices* services) {
  const Checkpoint known = checkpoint.value_or(Checkpoint());
  const OpenTrust trust = TrustIn(checkpoint, boot_id);
  const auto open = [&](OpenTrust how, Offset recovery_point) {
    return Log::Open(disk, directory, config, how, recovery_point, known.log_start_offset, report,
                     services);
  };
  auto log = open(trust, known.recovery_point);
  if (trust != OpenTrust::kClean) return log;
  // A broker may have had the files since, and have ended as it may.
  if (log.ok() && (*log)->log_end_offset() == known.end_offset) return log;
  if (log.ok()) (void)(*log)->Close(false);
  return open(OpenTrust::kReboot, known.log_start_offset);
}

bool IsLarge(std::span<const std::byte> bytes, std::span<const uint32_t> lengths,
             uint64_t seal_bytes) {
  uint64_t total = 0;
  uint32_t largest = 0;
  for (const uint32_t length : lengths) {
    total += length;
    largest = std::max(largest, length);
  }
  return total >= std::max(kLargeBytes, kLargeBatches * seal_bytes) && total <= bytes.size() &&
         largest <= kLargestOfRun;
}

// Nothing, where a broker has gone on with the files: it may have cut them, and written anew.
Offset CompactedBelow(const std::optional<Checkpoint>& checkpoint, Offset end) {
  if (!checkpoint.has_value() || (checkpoint->clean && checkpoint->end_offset != end)) return 0;
  return std::min(checkpoint->compacted_offset, end);
}

}  // namespace

Result<OpenedLog> EmbeddedWriter::Open(Disk& disk, const std::string& directory,
                                       const EmbeddedOptions& options, OpenReport* report,
                                       LogServices* services) {
  if (Status status = MakeDirectories(disk, directory); !status.ok()) return status;
  UniqueFd lock, broker_lock;
  if (&disk == &PosixDisk()) {
    Result<UniqueFd> alone = LockAgainstBroker(directory);
    if (!alone.ok()) return alone.status();
    broker_lock = std::move(*alone);
    Result<UniqueFd> locked = LockForWriting(JoinPath(directory, kWriterLockName));
    if (!locked.ok()) return locked.status();
    lock = std::move(*locked);
  }
  Result<std::optional<Checkpoint>> checkpoint = ReadCheckpoint(disk, directory);
  if (!checkpoint.ok()) return checkpoint.status();
  const BootId boot_id = options.boot_id.has_value() ? *options.boot_id : CurrentBootId();
  {
    LogServices own(kInlineOpenFiles, LogServices::Background::kInline);
    LogServices& used = services != nullptr ? *services : own;
    if (Status status = SealFromSidecar(disk, used.files(), directory, boot_id); !status.ok())
      return status;
  }
  LogConfig config = options.log;
  config.mapped = true;
  config.index_interval_bytes = kIndexIntervalBytes;
  config.spare_segments = kSpareSegments;
  auto log = OpenFilesOf(disk, directory, config, *checkpoint, boot_id, report, services);
  if (!log.ok()) return log.status();

  OpenedLog opened;
  opened.log = std::move(*log);
  // Its constructor is private.
  opened.writer.reset(new EmbeddedWriter(disk, directory, options, std::move(lock), *opened.log));
  EmbeddedWriter& writer = *opened.writer;
  writer.broker_lock_ = std::move(broker_lock);
  // Before the first byte is written: from here on a kill leaves what recovery has to look at.
  const Offset durable = opened.log->durable_offset();
  const Offset compacted = CompactedBelow(*checkpoint, opened.log->log_end_offset());
  if (Status status = writer.PutCheckpoint(report->log_start_offset, durable, compacted);
      !status.ok()) {
    return status;
  }
  if (Status status = writer.MakeSidecar(); !status.ok()) return status;
  return opened;
}

EmbeddedWriter::~EmbeddedWriter() = default;

Status EmbeddedWriter::MakeSidecar() {
  const std::string path = JoinPath(directory_, kSidecarName);
  // Readers of one that was left behind keep theirs.
  if (Status status = disk_.Unlink(path); !status.ok() && status.code() != Code::kNotFound)
    return status;
  Result<std::shared_ptr<File>> file = disk_.Open(path, OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  if (Status status = (*file)->Allocate(0, kSidecarBytes); !status.ok()) return status;
  Result<std::unique_ptr<Mapping>> page = (*file)->Map(kSidecarBytes, true);
  if (!page.ok()) return page.status();
  page_ = std::move(*page);
  sidecar_.emplace(page_->data());
  sidecar_->Format(boot_id_);
  OpenBatch none;
  none.segment_base_offset = log_.active_base_offset();
  none.base_offset = log_.log_end_offset();
  Result<uint64_t> position = log_.active_bytes();
  if (!position.ok()) return position.status();
  none.position = static_cast<uint32_t>(*position);
  sidecar_->Begin(none);
  sidecar_->Publish(0, 0, -1);
  TellReaders(true);
  return Status::Ok();
}

// The place is published before anything is written there, so that whoever recovers the log knows
// where half a record may lie.
Status EmbeddedWriter::Begin(size_t record_bytes, int64_t now_ms) {
  if (record_bytes > INT32_MAX - kBatchHeaderBytes) return Status(Code::kBatchLargerThanSegment);
  const uint64_t least = kBatchHeaderBytes + record_bytes;
  uint64_t wanted =
      std::max<uint64_t>(least, std::min(options_.seal_bytes, options_.log.segment_bytes));
  const bool writes = flushes_often_ && bytes_since_flush_ < kSmallFlushBytes;
  const auto way = writes ? Log::TailWay::kWrite : Log::TailWay::kMemory;
  Result<TailSpace> space = log_.ReserveTail(wanted, now_ms, way);
  // The last of the space, in small pieces.
  if (space.status().code() == Code::kNoSpace && wanted > least) {
    wanted = least;
    space = log_.ReserveTail(wanted, now_ms, way);
  }
  if (!space.ok()) return space.status();
  const bool in_new_segment = IsNew(*space);
  space_ = *space;
  if (writes && staging_.size() < wanted) staging_.resize(wanted);
  begin_ = writes ? staging_.data() : space_.bytes.data();
  end_ = begin_ + wanted;
  published_ = next_ = begin_ + kBatchHeaderBytes;
  base_timestamp_ = now_ms;
  max_timestamp_ = -1;
  OpenBatch batch;
  batch.segment_base_offset = space_.segment_base_offset;
  batch.base_offset = space_.base_offset;
  batch.base_timestamp = base_timestamp_;
  batch.position = static_cast<uint32_t>(space_.position);
  sidecar_->Begin(batch);
  sidecar_->Publish(0, 0, -1);
  if (in_new_segment) TellReaders(true);
  return Status::Ok();
}

// Inlined where a record is put together: of one without a key little is left of it.
[[gnu::always_inline]] inline Status EmbeddedWriter::Put(const RecordParts& record,
                                                         int64_t timestamp) {
  RecordShape shape(record, timestamp - base_timestamp_, count_);
  size_t size = shape.size();
  const bool fits = count_ > 0 && size <= static_cast<size_t>(end_ - next_);
  if (!fits) [[unlikely]] {
    if (Status status = Seal(); !status.ok()) return status;
    shape = RecordShape(record, 0, 0);
    size = shape.size();
    if (Status status = Begin(size, timestamp); !status.ok()) return status;
  }
  next_ = shape.Write(record, next_);
  ++count_;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  return Status::Ok();
}

Status EmbeddedWriter::Append(const RecordParts& record, std::optional<int64_t> timestamp) {
  if (failed_) return Status(Code::kFailed);
  if (Status status = Put(record, timestamp.has_value() ? *timestamp : NowMs()); !status.ok())
    return status;
  return Publish();
}

Status EmbeddedWriter::AppendValue(std::span<const std::byte> value) {
  if (failed_) return Status(Code::kFailed);
  if (Status status = Put(RecordParts{std::nullopt, value, {}}, NowMs()); !status.ok())
    return status;
  return Publish();
}

// Copied first, then looked: bytes in a page that was lost lie nowhere. A log that failed meanwhile
// takes nothing more, also where the open batch has room.
Status EmbeddedWriter::Publish() {
  Status status = log_.CheckTail();
  if (status.ok() && space_.bytes.empty()) {
    const auto fresh = std::span<const std::byte>(published_, next_);
    status = log_.WriteTail(space_, static_cast<uint64_t>(published_ - begin_), fresh);
    published_ = next_;
  }
  if (!status.ok()) [[unlikely]] {
    failed_ = true;
    TakeBack();
    return status;
  }
  sidecar_->Publish(static_cast<uint32_t>(next_ - begin_), count_, max_timestamp_);
  return Status::Ok();
}

void EmbeddedWriter::TakeBack() {
  const OpenBatch& known = sidecar_->current();
  count_ = known.record_count;
  next_ = begin_ + std::max<size_t>(known.bytes, kBatchHeaderBytes);
  max_timestamp_ = known.max_timestamp;
}

Status EmbeddedWriter::AppendValues(std::span<const std::byte> bytes,
                                    std::span<const uint32_t> lengths, size_t* appended) {
  *appended = 0;
  if (failed_) return Status(Code::kFailed);
  const Offset first = end_offset();
  const int64_t now = NowMs();
  Status status;
  if (IsLarge(bytes, lengths, options_.seal_bytes)) {
    status = AppendRuns(bytes, lengths, now, appended);
    if (status.code() != Code::kNoSpace) return status;
    for (const uint32_t length : lengths.first(*appended)) bytes = bytes.subspan(length);
    lengths = lengths.subspan(*appended);
    status = Status::Ok();
  }
  for (const uint32_t length : lengths) {
    status = length <= bytes.size() ? Put(RecordParts{std::nullopt, bytes.first(length), {}}, now)
                                    : Status(Code::kInvalidArgument);
    if (!status.ok()) break;
    bytes = bytes.subspan(length);
  }
  // A batch that was filled meanwhile is published by its seal.
  const Status published = count_ > 0 ? Publish() : Status::Ok();
  *appended = static_cast<size_t>(end_offset() - first);
  return status.ok() ? published : status;
}

// A kill within the write leaves some of the batches, and one that is cut off, as with any log; the
// sidecar then says where the log ended before.
Status EmbeddedWriter::AppendRuns(std::span<const std::byte> bytes,
                                  std::span<const uint32_t> lengths, int64_t now_ms,
                                  size_t* appended) {
  if (Status status = Seal(); !status.ok()) return status;
  const uint64_t segment = options_.log.segment_bytes;
  const size_t most = std::min(kRunBytes, segment / kRunsPerSegment);
  while (*appended < lengths.size()) {
    const auto rest = lengths.subspan(*appended);
    const size_t taken = run_.Fill(bytes, rest, space_base_, now_ms,
                                   std::min<uint64_t>(options_.seal_bytes, segment), most);
    const std::span<const std::byte> run = run_.bytes();
    Result<TailSpace> space = log_.ReserveRun(run.size(), run_.headers().size(), now_ms);
    if (!space.ok()) return space.status();
    if (IsNew(*space)) {
      PublishEnd(*space, space->position);
      TellReaders(true);
    }
    if (Status status = log_.AppendRun(*space, run, run_.headers()); !status.ok()) return status;
    sealed_bytes_ += run.size();
    bytes_since_flush_ += run.size();
    space_base_ += static_cast<Offset>(taken);
    PublishEnd(*space, space->position + run.size());
    *appended += taken;
    for (const uint32_t length : rest.first(taken)) bytes = bytes.subspan(length);
  }
  return Status::Ok();
}

// By what readers know: the call that rolled the log may have been refused for want of space.
bool EmbeddedWriter::IsNew(const TailSpace& space) const {
  return space.segment_base_offset != sidecar_->current().segment_base_offset;
}

void EmbeddedWriter::PublishEnd(const TailSpace& space, uint64_t position) {
  OpenBatch none;
  none.segment_base_offset = space.segment_base_offset;
  none.base_offset = space_base_;
  none.position = static_cast<uint32_t>(position);
  sidecar_->Begin(none);
  sidecar_->Publish(0, 0, -1);
}

// In this order, so that a kill finds the batch open, or open and in the log, or in the log.
Status EmbeddedWriter::Seal() {
  if (count_ == 0) return Status::Ok();
  if (failed_) return Status(Code::kFailed);
  const std::span<std::byte> batch(begin_, next_);
  const size_t size = batch.size();
  const BatchHeader header =
      WriteBatchHeader(batch, space_base_, base_timestamp_, max_timestamp_, count_);
  if (Status status = log_.AppendInPlace(space_, batch, header); !status.ok()) return status;
  sealed_bytes_ += size;
  bytes_since_flush_ += size;
  space_base_ += count_;
  count_ = 0;
  PublishEnd(space_, space_.position + size);
  return Status::Ok();
}

Status EmbeddedWriter::SealForFlush() {
  if (Status status = Seal(); !status.ok()) return status;
  flushes_often_ = std::exchange(bytes_since_flush_, 0) < kSmallFlushBytes;
  return Status::Ok();
}

Status EmbeddedWriter::PutCheckpoint(Offset log_start_offset, Offset recovery_point,
                                     Offset compacted_offset) {
  Checkpoint checkpoint;
  checkpoint.boot_id = boot_id_;
  checkpoint.log_start_offset = log_start_offset;
  checkpoint.recovery_point = recovery_point;
  checkpoint.compacted_offset = compacted_offset;
  compacted_offset_ = compacted_offset;
  return WriteCheckpoint(disk_, directory_, checkpoint);
}

void EmbeddedWriter::TellReaders(bool files_changed) {
  if (files_changed) ++file_changes_;
  SidecarFacts facts;
  facts.log_start_offset = log_.log_start_offset();
  facts.durable_offset = log_.durable_offset();
  facts.sealed_end_offset = log_.log_end_offset();
  facts.file_changes = file_changes_;
  sidecar_->StoreFacts(facts);
}

Status EmbeddedWriter::Finish(Offset log_start_offset, Offset end) {
  Checkpoint checkpoint;
  checkpoint.boot_id = boot_id_;
  checkpoint.clean = true;
  checkpoint.log_start_offset = log_start_offset;
  checkpoint.recovery_point = end;
  checkpoint.end_offset = end;
  checkpoint.compacted_offset = compacted_offset_;
  SidecarFacts facts = sidecar_->facts();
  facts.durable_offset = facts.sealed_end_offset = end;
  facts.state = SidecarState::kClosed;
  sidecar_->StoreFacts(facts);
  Status status = disk_.Unlink(JoinPath(directory_, kSidecarName));
  if (!status.ok() && status.code() != Code::kNotFound) return status;
  return WriteCheckpoint(disk_, directory_, checkpoint);
}

}  // namespace millrace
