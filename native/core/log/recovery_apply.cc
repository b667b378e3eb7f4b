#include <algorithm>
#include <utility>

#include "core/log/recovery.h"

namespace millrace {
namespace {

constexpr size_t kCopyBytes = 256 << 10;

// Copies [begin, end) to `to_position` of another file, or of the same one if that is `begin`.
Status CopyBytes(File& from, uint64_t begin, uint64_t end, File& to, uint64_t to_position) {
  std::vector<std::byte> buffer(static_cast<size_t>(std::min<uint64_t>(kCopyBytes, end - begin)));
  for (uint64_t position = begin; position < end;) {
    size_t length = static_cast<size_t>(std::min<uint64_t>(buffer.size(), end - position));
    Result<size_t> got = from.ReadAt(position, std::span(buffer).first(length));
    if (!got.ok()) return got.status();
    if (*got == 0) return Status(Code::kIoError);
    if (Status status = to.WriteAt(to_position + position - begin, std::span(buffer).first(*got));
        !status.ok())
      return status;
    position += *got;
  }
  return Status::Ok();
}

bool Missing(const Status& status) { return status.ok() || status.code() == Code::kNotFound; }

}  // namespace

// First what is cut is safe in files of its own, then the log gets shorter: a crash in between
// finds the same prefix.
Status Recovery::Apply() {
  if (new_directory_) {
    Status status = disk_.MakeDirectory(directory_);
    if (!status.ok() && status.code() != Code::kExists) return status;
  }
  if (Status status = RemoveAll(leftovers_); !status.ok()) return status;
  for (const Found& found : obsolete_) {
    if (Status status = RemoveSegment(found.segment->base_offset()); !status.ok()) return status;
  }

  for (size_t i = cut_.size(); i-- > 0;) {
    if (Status status = PutSegmentAside(cut_[i]); !status.ok()) return status;
  }
  const bool tail_cut = !found_.empty() && found_.back().cut_end > found_.back().length;
  if (tail_cut) {
    if (Status status = PutTailAside(found_.back()); !status.ok()) return status;
  }
  if (tail_cut || !cut_.empty()) {
    names_changed_ = true;
    if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  }

  for (Found& found : found_) {
    if (Status status = Finish(found); !status.ok()) return status;
  }
  const bool below_start = !found_.empty() && found_.back().end_offset < log_start_;
  if (below_start) {
    for (size_t i = found_.size(); i-- > 0;) {
      if (Status status = RemoveSegment(found_[i].segment->base_offset()); !status.ok())
        return status;
    }
    found_.clear();
    // The new segment may not be there without the old ones being gone.
    if (Status status = disk_.SyncDirectory(directory_); !status.ok()) return status;
  }
  if (found_.empty()) {
    if (Status status = CreateFirst(); !status.ok()) return status;
  }
  return trust_ == OpenTrust::kClean ? Status::Ok() : SyncAll();
}

Status Recovery::RemoveAll(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (Status status = disk_.Unlink(JoinPath(directory_, name)); !Missing(status)) return status;
    names_changed_ = true;
  }
  return Status::Ok();
}

Status Recovery::RemoveSegment(Offset base_offset) {
  return RemoveAll({SegmentFileName(base_offset, FileKind::kLog),
                    SegmentFileName(base_offset, FileKind::kOffsetIndex),
                    SegmentFileName(base_offset, FileKind::kTimeIndex)});
}

// A name for cut bytes that is not taken: an earlier recovery may have left one.
Result<std::string> Recovery::NameAside(Offset base_offset, uint64_t from) {
  const std::string wanted = PathOf(base_offset, FileKind::kLog) + ".cut-" + std::to_string(from);
  std::string path = wanted;
  for (int copy = 1;; ++copy) {
    Result<std::shared_ptr<File>> taken = disk_.Open(path, OpenMode::kRead);
    if (taken.status().code() == Code::kNotFound) return path;
    if (!taken.ok()) return taken.status();
    path = wanted + "." + std::to_string(copy);
  }
}

Status Recovery::PutSegmentAside(const Found& found) {
  const Offset base_offset = found.segment->base_offset();
  if (found.cut_end == 0) return RemoveSegment(base_offset);
  Result<std::string> aside = NameAside(base_offset, 0);
  if (!aside.ok()) return aside.status();
  if (Status status = disk_.Rename(PathOf(base_offset, FileKind::kLog), *aside); !status.ok())
    return status;
  return RemoveSegment(base_offset);  // the indexes
}

Status Recovery::PutTailAside(const Found& found) {
  Result<std::string> aside = NameAside(found.segment->base_offset(), found.length);
  if (!aside.ok()) return aside.status();
  Result<std::shared_ptr<File>> to = disk_.Open(*aside, OpenMode::kCreateNew);
  if (!to.ok()) return to.status();
  Result<std::shared_ptr<File>> log = found.segment->Open();
  if (!log.ok()) return log.status();
  if (Status status = CopyBytes(**log, found.length, found.cut_end, **to, 0); !status.ok())
    return status;
  return (*to)->Sync();
}

// Cuts or trims one segment's files to what it keeps and brings them to rest.
Status Recovery::Finish(Found& found) {
  Segment& segment = *found.segment;
  if (found.size != found.length) {
    Result<std::shared_ptr<File>> log = segment.Open();
    if (!log.ok()) return log.status();
    if (Status status = (*log)->Truncate(found.length); !status.ok()) return status;
  }
  if (found.checked_bytes > 0) {
    if (Status status = WriteAgain(found); !status.ok()) return status;
  }
  segment.TakeOver(found.length, found.end_offset, found.progress);
  // A killed process that had written little had its indexes in memory only, and so has this one.
  if (found.image.has_value() && trust_ == OpenTrust::kSameBoot && &found == &found_.back() &&
      segment.GatherIndexes(*found.image)) {
    return segment.Pause();
  }
  if (found.image.has_value()) {
    Status status = segment.WriteIndexes(*found.image);
    if (status.code() == Code::kNoSpace) status = segment.HoldIndexes(*found.image);
    if (!status.ok()) return status;
    ++report_->indexes_rebuilt;
    names_changed_ = true;
  }
  return found.touched ? segment.Rest() : Status::Ok();
}

// If a sync failed before this start, the kernel counts these pages as written although they may
// not be, and would sync nothing. Writing them makes them dirty again; a crash meanwhile finds the
// same bytes, old or new.
Status Recovery::WriteAgain(const Found& found) {
  Result<std::shared_ptr<File>> log = found.segment->Open();
  if (!log.ok()) return log.status();
  const uint64_t from = found.length - found.checked_bytes;
  return CopyBytes(**log, from, found.length, **log, from);
}

Status Recovery::CreateFirst() {
  Result<std::shared_ptr<File>> log =
      disk_.Open(PathOf(log_start_, FileKind::kLog), OpenMode::kCreateNew);
  if (!log.ok()) return log.status();
  names_changed_ = true;
  Found found;
  found.segment = std::make_unique<Segment>(disk_, files_, directory_, log_start_,
                                            config_.index_interval_bytes);
  found.segment->TakeOver(0, log_start_, IndexProgress());
  found.end_offset = log_start_;
  found_.push_back(std::move(found));
  return Status::Ok();
}

// A truncation may have been under way: a file or a name that it took away could come back under
// what is appended next. And what a dead process had not synced, nobody else will. So all of it
// goes to the disk now, but what the first flush takes, and the log begins durable.
Status Recovery::SyncAll() {
  for (Found& found : found_) {
    const bool last = &found == &found_.back();
    // What was trimmed now has to stay so: after a clean stop nobody looks for zeros behind it.
    const bool as_it_was = found.size == found.length;
    if (!last && found.end_offset < recovery_point_ && as_it_was) continue;
    if (last && sync_ == RecoverySync::kWithFirstFlush) return Status::Ok();
    std::vector<CachedFile*> files{&found.segment->file()->file()};
    if (!last) {
      files.push_back(found.segment->offset_index().file().file().get());
      files.push_back(found.segment->time_index().file().file().get());
    }
    for (CachedFile* name : files) {
      Result<std::shared_ptr<File>> file = name->Acquire();
      if (!file.ok()) return file.status();
      if (Status status = (*file)->Sync(); !status.ok()) return status;
    }
  }
  if (Status status = disk_.SyncDirectory(ParentDirectory(directory_)); !status.ok()) return status;
  return disk_.SyncDirectory(directory_);
}

RecoveredLog Recovery::Collect() {
  RecoveredLog log;
  report_->log_start_offset = std::max(log_start_, found_.front().segment->base_offset());
  report_->log_end_offset = found_.back().end_offset;
  report_->segments = found_.size();
  for (Found& found : found_) log.segments.push_back(std::move(found.segment));
  log.last_unsynced = trust_ != OpenTrust::kClean && sync_ == RecoverySync::kWithFirstFlush;
  log.names_dirty = (names_changed_ && trust_ == OpenTrust::kClean) || log.last_unsynced;
  return log;
}

}  // namespace millrace
