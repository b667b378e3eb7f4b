#include <algorithm>
#include <utility>

#include "core/log/log_impl.h"

namespace millrace {

Status Log::ReplaceSegments(std::span<const Offset> bases) {
  Result<std::shared_ptr<Replacement>> replacement = BeginReplacement(bases);
  if (!replacement.ok()) return replacement.status();
  (void)(*replacement)->Commit();
  if (Status status = FinishReplacement(**replacement); !status.ok()) return status;
  return PendingRemovals()();
}

Result<std::shared_ptr<Replacement>> LogImpl::BeginReplacement(std::span<const Offset> bases) {
  if (Status status = CheckUsable(); !status.ok()) return status;
  const bool sorted = std::is_sorted(bases.begin(), bases.end(), std::less_equal<>());
  if (bases.empty() || !sorted) return Status(Code::kInvalidArgument);
  if (replacement_ != nullptr && !replacement_->over()) return Status(Code::kInvalidArgument);

  // The log's start may have moved past the first of them, which are not missed then.
  size_t at = SegmentFor(bases.front());
  bool there = true;
  Offset end_offset = -1;
  for (const Offset base : bases) {
    if (base < segments_.front()->base_offset()) continue;
    there = there && at + 1 < segments_.size() && segments_[at]->base_offset() == base;
    if (there) end_offset = segments_[at++]->end_offset();
  }
  there = there && end_offset >= 0 && end_offset <= dirty_.durable();
  replacement_ = std::make_shared<Replacement>(disk_, services_, removals_, directory_,
                                               std::vector<Offset>(bases.begin(), bases.end()),
                                               end_offset, config_.index_interval_bytes, !there);
  return replacement_;
}

Status LogImpl::FinishReplacement(Replacement& replacement) {
  std::lock_guard lock(replacement.mutex_);
  return Exchange(replacement);
}

Status LogImpl::Exchange(Replacement& replacement) {
  using State = Replacement::State;
  if (replacement.undecided_) dirty_.Fail(Status(Code::kFailed));
  if (replacement.state_ == State::kWaiting) return Status(Code::kInvalidArgument);
  if (replacement.state_ == State::kOver) return replacement.status_;
  // If the log is closed or has failed, the next start does the rest.
  if (Status status = CheckUsable(); !status.ok()) {
    replacement.End(status);
    return status;
  }

  const Offset last_base = replacement.bases_.back();
  const size_t first = SegmentFor(replacement.bases_.front());
  size_t end = first;
  while (end < segments_.size() && segments_[end]->base_offset() <= last_base) ++end;
  RemovalQueue::Swap swap;
  swap.directory = directory_;
  swap.names = replacement.names();
  swap.drop = end == first;
  swap.held = std::move(replacement.held_);
  for (size_t i = first; i < end; ++i) {
    RemovalQueue::Segment files = segments_[i]->files();
    swap.replaced.push_back({segments_[i]->base_offset(), files.log->file().Retire()});
    (void)files.offset_index->Retire();
    (void)files.time_index->Retire();
  }
  if (!swap.drop) {
    segments_[first] = std::move(replacement.segment_);
    segments_.erase(segments_.begin() + static_cast<ptrdiff_t>(first) + 1,
                    segments_.begin() + static_cast<ptrdiff_t>(end));
    CountRolledBytes();
    // Rolled without a flush since, so that the files were still to be trimmed.
    std::vector<DirtySegment> forgotten = dirty_.Forget(replacement.bases_.front(), last_base + 1);
    if (!forgotten.empty()) services_.Run([forgotten = std::move(forgotten)] {});
  }
  replacement.End(swap.drop ? Status(Code::kWouldBlock) : Status::Ok());
  removals_.Add(std::move(swap));
  return replacement.status_;
}

void LogImpl::SettleReplacement() {
  if (replacement_ == nullptr) return;
  replacement_->Cancel();  // waits for a Commit that is under way
  std::lock_guard lock(replacement_->mutex_);
  (void)Exchange(*replacement_);
}

}  // namespace millrace
