#include "core/log/mapped_tail.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

constexpr uint64_t kPageBytes = 4096;
// A log that is written little populates little.
constexpr uint64_t kLeastAheadBytes = 64 << 10;
constexpr uint64_t kMostAheadBytes = 8 << 20;
// In steps, so that pages are there before the last of a request is.
constexpr uint64_t kPopulateStepBytes = 1 << 20;
constexpr uint64_t kExtentBytes = 4 << 20;
constexpr uint64_t kWriteBackLagBytes = 8 << 20;

}  // namespace

MappedTail::MappedTail(std::shared_ptr<File> file, std::unique_ptr<Mapping> mapping,
                       uint64_t written)
    : file_(std::move(file)),
      mapping_(std::move(mapping)),
      began_(written),
      populated_(written / kPageBytes * kPageBytes),
      ahead_bytes_(kLeastAheadBytes),
      settled_(written / kExtentBytes * kExtentBytes),
      written_back_(written / kExtentBytes * kExtentBytes),
      synced_(0) {}

Result<std::shared_ptr<MappedTail>> MappedTail::Map(std::shared_ptr<File> file, uint64_t capacity,
                                                    uint64_t written) {
  Result<std::unique_ptr<Mapping>> mapping = file->Map(capacity, true);
  if (!mapping.ok()) return mapping.status();
  // Its constructor is private.
  return std::shared_ptr<MappedTail>(new MappedTail(std::move(file), std::move(*mapping), written));
}

void MappedTail::Advance(const std::shared_ptr<MappedTail>& self, LogServices& services,
                         uint64_t written, uint64_t allocated, Next next) {
  MappedTail& tail = *self;
  tail.ahead_bytes_ = std::clamp(written - tail.began_, kLeastAheadBytes, kMostAheadBytes);
  const uint64_t end = std::min(written + tail.ahead_bytes_, allocated) / kPageBytes * kPageBytes;
  // Where the writer was faster, it has taken the faults itself.
  const uint64_t begin = std::max(tail.populated_, written / kPageBytes * kPageBytes);
  const bool ahead = next == Next::kStored;
  if (ahead && tail.populated_ < written + tail.ahead_bytes_ / 2 && begin < end) {
    tail.populated_ = end;
    services.RunAhead([self, begin, end] {
      for (uint64_t at = begin; at < end; at += kPopulateStepBytes) {
        // A failure shows where the writer, or the flush, gets there.
        if (!self->mapping_->Populate(at, std::min(kPopulateStepBytes, end - at)).ok()) return;
      }
    });
  }
  const uint64_t settled = written > kWriteBackLagBytes
                               ? (written - kWriteBackLagBytes) / kExtentBytes * kExtentBytes
                               : 0;
  if (settled > tail.settled_.load(std::memory_order_relaxed)) {
    tail.settled_.store(settled, std::memory_order_relaxed);
    // However far behind the disk is, one task waits.
    if (!tail.write_back_due_.exchange(true, std::memory_order_acq_rel))
      services.RunWriteBack([self] { self->WriteBack(); });
  }
}

void MappedTail::WriteBack() {
  write_back_due_.exchange(false, std::memory_order_acq_rel);  // before it looks how far
  const uint64_t settled = settled_.load(std::memory_order_relaxed);
  const uint64_t from = std::exchange(written_back_, settled);
  if (settled == from) return;
  mapping_->Release(from, settled - from);
  file_->StartWriteBack(from, settled - from);
}

Status MappedTail::Sync(uint64_t end) {
  if (end <= synced_) return Status::Ok();
  const uint64_t begin = synced_ / kPageBytes * kPageBytes;
  const uint64_t full = end / kPageBytes * kPageBytes;
  if (full > begin) mapping_->Release(begin, full - begin);
  if (Status status = file_->SyncMapped(*mapping_, begin, end - begin); !status.ok()) return status;
  // Zeros that took the place of a lost page are nobody's bytes.
  if (mapping_->damaged()) return Status(Code::kCorrupt);
  synced_ = end;
  return Status::Ok();
}

}  // namespace millrace
