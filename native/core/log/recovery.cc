#include "core/log/recovery.h"

#include <algorithm>
#include <utility>

#include "core/log/swap.h"

namespace millrace {
namespace {

// What a kernel copies into the page cache without looking whether the process is to die.
constexpr uint64_t kPageBytes = 4096;

uint64_t RoundUpToPages(uint64_t position) {
  return (position + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace

// What the end of a log may look like, by what has happened (segment.h draws the files):
//
//   closed cleanly   every file ends with its last entry; nothing is read but the batches behind
//   the last index entry. process died     the page cache has everything that was written, in
//   order: whole batches, then at most one that is
//                    cut off, then zeros. Anything else was not us.
//   kernel died      above the recovery point any page may be missing or old, any name too: the
//   longest prefix of batches
//                    that follow each other and hold their checksums stays. A batch can only be
//                    stale, in a file that was written before, with an offset below the one that
//                    must come next; that ends the prefix as well.
Result<RecoveredLog> Recovery::Run(OpenTrust trust, Offset recovery_point,
                                   Offset log_start_offset) {
  trust_ = trust;
  recovery_point_ = recovery_point;
  log_start_ = log_start_offset;
  if (Status status = ReadDirectory(); !status.ok()) return status;
  if (Status status = Inspect(); !status.ok()) return status;
  if (Status status = Apply(); !status.ok()) return status;
  return Collect();
}

std::string Recovery::PathOf(Offset base_offset, FileKind kind) const {
  return JoinPath(directory_, SegmentFileName(base_offset, kind));
}

// Replacements that were decided take place whatever is found afterwards: what they replace must
// not be looked at.
Status Recovery::FinishSwaps(Result<std::vector<std::string>>* names) {
  if (!names->ok()) return Status::Ok();
  std::vector<SwapNames> swaps;
  for (const std::string& name : **names) {
    const FileName parsed = ParseFileName(name);
    if (parsed.kind == FileKind::kSwap)
      swaps.push_back({parsed.base_offset, parsed.last_base_offset});
  }
  for (const SwapNames& swap : swaps) {
    if (Status status = FinishSwap(disk_, files_, directory_, swap); !status.ok()) return status;
  }
  if (!swaps.empty()) *names = disk_.List(directory_);
  return Status::Ok();
}

Status Recovery::ReadDirectory() {
  Result<std::vector<std::string>> names = disk_.List(directory_);
  if (names.status().code() == Code::kNotFound) {
    new_directory_ = true;
    names = std::vector<std::string>();
  }
  if (Status status = FinishSwaps(&names); !status.ok()) return status;
  if (!names.ok()) return names.status();

  std::vector<Offset> bases;
  for (const std::string& name : *names) {
    FileName parsed = ParseFileName(name);
    if (parsed.kind == FileKind::kLog) bases.push_back(parsed.base_offset);
    if (parsed.kind == FileKind::kPrepared || parsed.kind == FileKind::kDeleted ||
        parsed.kind == FileKind::kCleaned)
      leftovers_.push_back(name);
  }
  std::sort(bases.begin(), bases.end());
  for (const std::string& name : *names) {
    FileName parsed = ParseFileName(name);
    if (parsed.kind != FileKind::kOffsetIndex && parsed.kind != FileKind::kTimeIndex) continue;
    bool orphan = !std::binary_search(bases.begin(), bases.end(), parsed.base_offset);
    if (orphan) leftovers_.push_back(name);
  }

  for (size_t i = 0; i < bases.size(); ++i) {
    Found found;
    found.segment = std::make_unique<Segment>(disk_, files_, directory_, bases[i],
                                              config_.index_interval_bytes);
    const bool below_start = i + 1 < bases.size() && bases[i + 1] <= log_start_;
    (below_start ? obsolete_ : found_).push_back(std::move(found));
  }
  return Status::Ok();
}

Status Recovery::Inspect() {
  if (found_.empty()) {
    // Nothing is there, so nothing may have been promised.
    return recovery_point_ > log_start_ ? Status(Code::kCorrupt) : Status::Ok();
  }
  // The first segments are missing although nobody has moved the start past them.
  const bool head_missing =
      found_.front().segment->base_offset() > log_start_ && recovery_point_ > log_start_;
  if (head_missing && trust_ != OpenTrust::kClean) return Status(Code::kCorrupt);

  for (Found& found : found_) {
    Result<std::shared_ptr<File>> log = found.segment->Open();
    if (!log.ok()) return log.status();
    if (trust_ == OpenTrust::kReboot) (*log)->DropCache();
    Result<uint64_t> size = (*log)->Size();
    if (!size.ok()) return size.status();
    found.size = found.length = *size;
  }
  Status status = trust_ == OpenTrust::kClean      ? InspectClean()
                  : trust_ == OpenTrust::kSameBoot ? InspectSameBoot()
                                                   : InspectReboot();
  if (!status.ok()) return status;

  const Offset end_offset = found_.back().end_offset;
  if (end_offset < recovery_point_ && log_start_ < recovery_point_) return Status(Code::kCorrupt);
  return Status::Ok();
}

void Recovery::Adopt(Found& found, SegmentTail tail) {
  found.length = tail.scan.length;
  found.end_offset = tail.scan.end_offset;
  found.progress = tail.progress;
  found.image = std::move(tail.image);
}

Status Recovery::InspectClean() {
  for (size_t i = 0; i + 1 < found_.size(); ++i) {
    found_[i].end_offset = found_[i + 1].segment->base_offset();
  }
  Found& last = found_.back();
  Result<SegmentTail> tail = last.segment->ReadTail(last.size);
  if (!tail.ok()) return tail.status();
  if (tail->scan.broken) return Status(Code::kCorrupt);
  Adopt(last, std::move(*tail));
  last.touched = true;
  return Status::Ok();
}

Status Recovery::CheckComplete(Found& found, Offset next_base_offset) {
  Result<SegmentTail> tail = found.segment->ReadTail(found.size);
  if (!tail.ok()) return tail.status();
  if (tail->scan.end_offset != next_base_offset) return Status(Code::kCorrupt);
  if (tail->scan.broken) {
    Result<std::shared_ptr<File>> log = found.segment->Open();
    if (!log.ok()) return log.status();
    Result<uint64_t> zeros = FindZeroTail(**log, tail->scan.length, found.size);
    if (!zeros.ok()) return zeros.status();
    if (*zeros != tail->scan.length) return Status(Code::kCorrupt);
  }
  Adopt(found, std::move(*tail));
  return Status::Ok();
}

// The batches between the recovery point and the tail that was just read follow each other.
Status Recovery::CheckHeadersAbove(Found& found) {
  if (found.end_offset <= recovery_point_) return Status::Ok();
  Result<std::shared_ptr<File>> log = found.segment->Open();
  if (!log.ok()) return log.status();
  found.touched = true;
  uint64_t position = 0;
  if (recovery_point_ > found.segment->base_offset() && !found.image.has_value()) {
    found.segment->TakeOver(found.length, found.end_offset, found.progress);
    Result<uint64_t> boundary = found.segment->BoundaryAt(recovery_point_);
    if (!boundary.ok()) return boundary.status();
    position = *boundary;
  }
  BatchCursor cursor(*log, ReadMode::kWait, position, found.length);
  Result<ScanResult> scan =
      ScanBatches(cursor, found.segment->base_offset(), INT64_MAX, nullptr, nullptr);
  if (!scan.ok()) return scan.status();
  return scan->broken ? Status(Code::kCorrupt) : Status::Ok();
}

Status Recovery::InspectSameBoot() {
  for (size_t i = 0; i + 1 < found_.size(); ++i) {
    if (Status status = CheckComplete(found_[i], found_[i + 1].segment->base_offset());
        !status.ok()) {
      return status;
    }
    if (Status status = CheckHeadersAbove(found_[i]); !status.ok()) return status;
  }
  if (Status status = CutTornAppend(found_.back()); !status.ok()) return status;
  found_.back().touched = true;
  return CheckHeadersAbove(found_.back());
}

// A write that was interrupted has put a prefix of its batch into a file of zeros, page by page. So
// what is there begins like a batch, and is zeros from a page's end on that lies within the batch:
// anything else has been there as a whole, and may have been acknowledged.
Status Recovery::CutTornAppend(Found& found) {
  Result<std::shared_ptr<File>> log = found.segment->Open();
  if (!log.ok()) return log.status();
  Result<SegmentTail> tail = found.segment->ReadTail(found.size);
  if (!tail.ok()) return tail.status();
  const ScanResult scan = tail->scan;
  Result<uint64_t> zeros = FindZeroTail(**log, scan.length, found.size);
  if (!zeros.ok()) return zeros.status();
  // Not even a header: one that is whole names a size within the file and would have been walked
  // over.
  if (*zeros - scan.length >= kBatchHeaderBytes) return Status(Code::kCorrupt);
  if (*zeros > scan.length && RoundUpToPages(*zeros) - scan.length >= kBatchHeaderBytes) {
    return Status(Code::kCorrupt);
  }
  found.cut_end = *zeros;
  uint64_t torn_from = scan.length;

  if (scan.any) {
    BatchCursor cursor(*log, ReadMode::kWait, scan.last_position, scan.length);
    Result<BatchCursor::Step> step = cursor.Next();
    if (!step.ok()) return step.status();
    if (cursor.header().base_offset >= recovery_point_) {
      Result<std::span<const std::byte>> batch = cursor.Batch();
      if (!batch.ok()) return batch.status();
      report_->scanned_bytes += batch->size();
      if (!BatchChecksumHolds(*batch)) {
        const bool whole = batch->back() != std::byte{0} || *zeros > scan.length;
        if (whole) return Status(Code::kCorrupt);
        Result<uint64_t> torn_end = FindZeroTail(**log, scan.last_position, scan.length);
        if (!torn_end.ok()) return torn_end.status();
        if (RoundUpToPages(*torn_end) >= scan.length) return Status(Code::kCorrupt);
        found.cut_end = *torn_end;
        torn_from = scan.last_position;
        tail = found.segment->ReadTail(torn_from);
        if (!tail.ok()) return tail.status();
      }
    }
  }
  Adopt(found, std::move(*tail));
  if (found.cut_end > torn_from) {
    report_->cut_bytes = found.cut_end - torn_from;
    report_->cut_from_offset = found.end_offset;
  }
  return Status::Ok();
}

Status Recovery::InspectReboot() {
  size_t kept = 0;
  for (bool broken = false; kept < found_.size() && !broken; ++kept) {
    Found& found = found_[kept];
    const bool last = kept + 1 == found_.size();
    const Offset next_base_offset = last ? INT64_MAX : found_[kept + 1].segment->base_offset();
    if (!last && next_base_offset < recovery_point_) {
      if (Status status = CheckComplete(found, next_base_offset); !status.ok()) return status;
      continue;
    }
    // The indexes of this segment were not synced, so they are made again.
    found.touched = true;
    found.image.emplace(found.segment->base_offset(), config_.index_interval_bytes);
    Result<std::shared_ptr<File>> log = found.segment->Open();
    if (!log.ok()) return log.status();
    BatchCursor cursor(*log, ReadMode::kWait, 0, found.size);
    Result<ScanResult> scan =
        ScanBatches(cursor, found.segment->base_offset(), recovery_point_, nullptr, &*found.image);
    if (!scan.ok()) return scan.status();
    found.image->Finish();
    report_->scanned_bytes += scan->checked_bytes;
    found.length = scan->length;
    found.checked_bytes = scan->checked_bytes;
    found.end_offset = scan->end_offset;
    found.progress = found.image->progress();
    if (found.end_offset < recovery_point_ && log_start_ < recovery_point_)
      return Status(Code::kCorrupt);
    Result<uint64_t> zeros = FindZeroTail(**log, found.length, found.size);
    if (!zeros.ok()) return zeros.status();
    found.cut_end = *zeros;
    report_->cut_bytes += found.cut_end - found.length;
    broken = !last && found.end_offset != next_base_offset;
  }
  for (size_t i = kept; i < found_.size(); ++i) {
    Found& cut = found_[i];
    Result<std::shared_ptr<File>> log = cut.segment->Open();
    if (!log.ok()) return log.status();
    Result<uint64_t> zeros = FindZeroTail(**log, 0, cut.size);
    if (!zeros.ok()) return zeros.status();
    cut.cut_end = *zeros;
    report_->cut_bytes += cut.cut_end;
    cut_.push_back(std::move(cut));
  }
  found_.resize(kept);
  if (report_->cut_bytes > 0) report_->cut_from_offset = found_.back().end_offset;
  return Status::Ok();
}

}  // namespace millrace
