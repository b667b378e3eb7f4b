#include "core/log/dirty_files.h"

#include <algorithm>
#include <utility>

#include "core/log/segment_names.h"

namespace millrace {
namespace {

// The one place where bytes become durable.
Status SyncFile(File& file) { return file.Sync(); }

}  // namespace

DirtyFiles::DirtyFiles(Disk& disk, OpenFiles& files, std::string directory)
    : disk_(disk), files_(files), directory_(std::move(directory)) {}

void DirtyFiles::Begin(Offset offset) {
  durable_.store(offset, std::memory_order_release);
  SetEnd(offset);
}

void DirtyFiles::Add(DirtySegment segment) {
  std::lock_guard lock(mutex_);
  for (DirtySegment& known : segments_) {
    if (known.base_offset != segment.base_offset) continue;
    known = std::move(segment);
    return;
  }
  segments_.push_back(std::move(segment));
}

std::vector<DirtySegment> DirtyFiles::Forget(Offset from_base, Offset before_base) {
  std::vector<DirtySegment> forgotten;
  std::lock_guard lock(mutex_);
  auto gone =
      std::stable_partition(segments_.begin(), segments_.end(), [&](const DirtySegment& dirty) {
        return dirty.base_offset < from_base || dirty.base_offset >= before_base;
      });
  std::move(gone, segments_.end(), std::back_inserter(forgotten));
  segments_.erase(gone, segments_.end());
  return forgotten;
}

void DirtyFiles::NamesChanged(bool parent) {
  std::lock_guard lock(mutex_);
  ++names_;
  parent_dirty_ |= parent;
}

Status DirtyFiles::SyncNewNames() {
  Work names;
  {
    std::lock_guard lock(mutex_);
    names.names_dirty = names_ != names_synced_;
  }
  Status status = SyncNames(names);  // the next flush does it again, and counts it
  if (!status.ok() && status.code() != Code::kTooManyFiles) Fail(status);
  return status;
}

void DirtyFiles::Rewind(Offset end) {
  SetEnd(end);
  if (durable() > end) durable_.store(end, std::memory_order_release);
}

bool DirtyFiles::names_dirty() const {
  std::lock_guard lock(mutex_);
  return names_ != names_synced_;
}

bool DirtyFiles::clean() {
  std::lock_guard lock(mutex_);
  return names_ == names_synced_ && !parent_dirty_ && durable() == end() &&
         std::none_of(segments_.begin(), segments_.end(),
                      [](const DirtySegment& dirty) { return dirty.sealed; });
}

void DirtyFiles::Fail(Status reason) {
  const Code code = reason.ok() ? Code::kFailed : reason.code();
  int64_t none = 0;
  failure_.compare_exchange_strong(
      none, (int64_t{reason.system_error()} << 32) | static_cast<int64_t>(code),
      std::memory_order_acq_rel);
}

Status DirtyFiles::failure() const {
  const int64_t failure = failure_.load(std::memory_order_acquire);
  return Status(static_cast<Code>(failure & INT32_MAX), static_cast<int>(failure >> 32));
}

Result<DurablePoint> DirtyFiles::Flush() {
  std::lock_guard pass(pass_);
  return FlushStopped();
}

bool DirtyFiles::BeginFlush() {
  pass_.lock();
  begun_ = failed() ? Work() : Collect();
  if (failed() || Empty(begun_)) return false;
  if (Status status = WriteBack(begun_); !status.ok()) Fail(status);
  return !failed() && Settled(begun_);
}

// With an error of the file system's each file is asked by itself: its descriptor knows of all
// errors since it was opened.
Result<DurablePoint> DirtyFiles::EndFlush(bool synced) {
  std::lock_guard pass(pass_, std::adopt_lock);
  const Work work = std::exchange(begun_, Work());
  if (failed()) return Status(Code::kFailed, failure().system_error());
  if (Empty(work)) return DurablePoint{work.end};
  return Publish(work, synced ? Status::Ok() : Sync(work));
}

// Everything that is below the end as read here lies in the files as copied here: a file enters the
// list before bytes in it count towards the end. Truncation is kept out by pass_, so what is
// published is still there.
Result<DurablePoint> DirtyFiles::FlushStopped() {
  if (failed()) return Status(Code::kFailed, failure().system_error());
  const Work work = Collect();
  return Empty(work) ? DurablePoint{work.end} : Publish(work, Sync(work));
}

bool DirtyFiles::Empty(const Work& work) const {
  return work.end == durable() && work.segments.empty() && !work.names_dirty;
}

bool DirtyFiles::settled() { return Settled(Collect()); }

// An end that counts lies in a layout that counts, so it is looked at after the end.
bool DirtyFiles::Settled(const Work& work) {
  return !work.segments.empty() && !work.names_dirty && !work.parent_dirty &&
         std::all_of(work.segments.begin(), work.segments.end(), [](const DirtySegment& dirty) {
           return !dirty.sealed && dirty.log != nullptr && dirty.tail == nullptr &&
                  dirty.segment->settled();
         });
}

Result<DurablePoint> DirtyFiles::Publish(const Work& work, Status status) {
  if (!status.ok()) {
    // Which pages the kernel has given up on is not known, and it will not say so twice.
    Fail(status);
    return status;
  }
  for (const DirtySegment& dirty : work.segments) dirty.segment->Settle(dirty.layout);
  Done(work);
  syncs_.fetch_add(1, std::memory_order_relaxed);
  durable_.store(work.end, std::memory_order_release);
  return DurablePoint{work.end};
}

DirtyFiles::Work DirtyFiles::Collect() {
  Work work;
  std::lock_guard lock(mutex_);
  work.end = end();
  work.names = names_;
  work.names_dirty = names_ != names_synced_;
  work.parent_dirty = parent_dirty_;
  const bool nothing_new = work.end == durable() && !work.names_dirty;
  for (const DirtySegment& dirty : segments_) {
    if (!dirty.sealed && nothing_new) continue;
    work.segments.push_back(dirty);
    work.segments.back().layout = dirty.segment->layout();
  }
  return work;
}

Status DirtyFiles::Sync(const Work& work) {
  for (const DirtySegment& dirty : work.segments) {
    if (!dirty.sealed) continue;
    if (Status status = SyncLog(dirty); !status.ok()) return status;
    if (Status status = SyncIndex(dirty.offset_index); !status.ok()) return status;
    if (Status status = SyncIndex(dirty.time_index); !status.ok()) return status;
  }
  if (Status status = SyncNames(work); !status.ok()) return status;
  for (const DirtySegment& dirty : work.segments) {
    if (dirty.sealed) continue;
    if (Status status = SyncLog(dirty); !status.ok()) return status;
  }
  return Status::Ok();
}

Status DirtyFiles::WriteBack(const Work& work) {
  for (const DirtySegment& dirty : work.segments) {
    Result<std::shared_ptr<File>> log = OpenLog(dirty);
    if (!log.ok()) return log.status();
    if (*log == nullptr) continue;
    if (Status status = CheckUntouched(dirty, **log); !status.ok()) return status;
    if (dirty.sealed) {
      if (Status status = (*log)->Truncate(dirty.segment->written()); !status.ok()) return status;
    }
    if (Status status = (*log)->WriteBack(); !status.ok()) return status;
    for (const DirtySegment::Index& index : {dirty.offset_index, dirty.time_index}) {
      Result<std::shared_ptr<File>> file = OpenIndex(index);
      if (!file.ok()) return file.status();
      if (*file == nullptr) continue;
      if (Status status = (*file)->Truncate(index.bytes); !status.ok()) return status;
      if (Status status = (*file)->WriteBack(); !status.ok()) return status;
    }
  }
  return Status::Ok();
}

Result<std::shared_ptr<File>> DirtyFiles::OpenLog(const DirtySegment& dirty) {
  if (dirty.log != nullptr) return dirty.log;
  Result<std::shared_ptr<File>> opened = dirty.segment->file().Acquire();
  // Between the copy of the list and now the log start may have passed the segment.
  if (!opened.ok() && Gone(dirty.base_offset)) return std::shared_ptr<File>();
  return opened;
}

Result<std::shared_ptr<File>> DirtyFiles::OpenIndex(const DirtySegment::Index& index) {
  if (index.name == nullptr) return std::shared_ptr<File>();
  Result<std::shared_ptr<File>> opened = index.name->Acquire();
  // Recovery makes it again.
  if (opened.status().code() == Code::kNotFound) return std::shared_ptr<File>();
  return opened;
}

Status DirtyFiles::SyncLog(const DirtySegment& dirty) {
  Result<std::shared_ptr<File>> log = OpenLog(dirty);
  if (!log.ok()) return log.status();
  if (*log == nullptr) return Status::Ok();
  if (Status status = CheckUntouched(dirty, **log); !status.ok()) return status;
  if (dirty.sealed) {
    if (Status status = (*log)->Truncate(dirty.segment->written()); !status.ok()) return status;
    if (dirty.tail != nullptr) dirty.tail->Settle();
  } else if (dirty.tail != nullptr) {
    return dirty.tail->Sync(dirty.segment->written());
  }
  if (Status status = SyncFile(**log); !status.ok()) return status;
  return dirty.tail != nullptr && dirty.tail->damaged() ? Status(Code::kCorrupt) : Status::Ok();
}

// A file that somebody else has cut or removed would take what is synced here with it.
Status DirtyFiles::CheckUntouched(const DirtySegment& dirty, File& log) {
  const SegmentFile& segment = *dirty.segment;
  for (int looks = 0; looks < 3; ++looks) {
    // It may grow or shrink meanwhile, which is told after the one and before the other.
    const uint64_t before = segment.allocated();
    Result<FileFacts> facts = log.Look();
    if (!facts.ok()) return facts.status();
    const uint64_t promised =
        dirty.sealed ? segment.written() : std::min(before, segment.allocated());
    if (facts->size >= promised && (facts->named || Gone(dirty.base_offset))) return Status::Ok();
  }
  return Status(Code::kCorrupt);
}

Status DirtyFiles::SyncIndex(const DirtySegment::Index& index) {
  Result<std::shared_ptr<File>> file = OpenIndex(index);
  if (!file.ok()) return file.status();
  if (*file == nullptr) return Status::Ok();
  if (Status status = (*file)->Truncate(index.bytes); !status.ok()) return status;
  return SyncFile(**file);
}

Status DirtyFiles::SyncNames(const Work& work) {
  for (const auto& [dirty, path] : {std::pair(work.parent_dirty, ParentDirectory(directory_)),
                                    std::pair(work.names_dirty, directory_)}) {
    if (!dirty) continue;
    Status status = disk_.SyncDirectory(path);
    if (status.code() == Code::kTooManyFiles) {
      // Nothing was synced and nothing has failed yet: a descriptor was missing, and idle ones of
      // ours can be closed.
      files_.CloseIdle();
      status = disk_.SyncDirectory(path);
    }
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

void DirtyFiles::Done(const Work& work) {
  std::vector<DirtySegment> closing;  // outlives the lock
  std::lock_guard lock(mutex_);
  names_synced_ = work.names;
  if (work.parent_dirty) parent_dirty_ = false;
  for (const DirtySegment& synced : work.segments) {
    if (!synced.sealed) continue;
    auto known = std::find_if(segments_.begin(), segments_.end(), [&](const DirtySegment& dirty) {
      return dirty.base_offset == synced.base_offset && dirty.sealed;
    });
    if (known == segments_.end()) continue;
    closing.push_back(std::move(*known));
    segments_.erase(known);
  }
}

bool DirtyFiles::Gone(Offset base_offset) {
  std::lock_guard lock(mutex_);
  return std::none_of(segments_.begin(), segments_.end(),
                      [&](const DirtySegment& dirty) { return dirty.base_offset == base_offset; });
}

void DirtyFiles::StartWriteBack() {
  if (failed()) return;
  for (const DirtySegment& dirty : Collect().segments) {
    if (dirty.log != nullptr) dirty.log->StartWriteBack(0, dirty.segment->written());
  }
}

}  // namespace millrace
