#include "core/log/segment_scan.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/log/offset_index.h"

namespace millrace {

void IndexImage::Add(const BatchHeader& header, uint64_t position) {
  progress_.Note(header);
  if (!progress_.EntryDue(position, index_interval_bytes_)) return;
  AddTime();
  size_t at = offset_entries_.size();
  offset_entries_.resize(at + OffsetIndex::kEntryBytes);
  OffsetIndex::Encode({header.last_offset, static_cast<uint32_t>(position)}, base_offset_,
                      offset_entries_.data() + at);
  progress_.indexed_position = position;
}

void IndexImage::Finish() { AddTime(); }

void IndexImage::AddTime() {
  if (progress_.max.timestamp <= progress_.indexed_timestamp) return;
  size_t at = time_entries_.size();
  time_entries_.resize(at + TimeIndex::kEntryBytes);
  TimeIndex::Encode(progress_.max, base_offset_, time_entries_.data() + at);
  progress_.indexed_timestamp = progress_.max.timestamp;
}

// Compaction leaves gaps, but the offset also lies outside the checksum: when the batch behind a
// gap is followed by one that belongs into the gap, it is the offset that is wrong.
static Result<bool> JumpLies(BatchCursor& cursor, Offset expected) {
  BatchHeader next;
  Result<bool> there = cursor.Peek(&next);
  if (!there.ok()) return there.status();
  return *there && next.base_offset >= expected && next.base_offset <= cursor.header().last_offset;
}

Result<ScanResult> ScanBatches(BatchCursor& cursor, Offset expected, Offset check_from,
                               IndexProgress* progress, IndexImage* image) {
  cursor.MapAhead();
  ScanResult result;
  result.length = cursor.next_position();
  result.end_offset = expected;
  for (;;) {
    Result<BatchCursor::Step> step = cursor.Next();
    if (!step.ok()) return step.status();
    if (*step == BatchCursor::Step::kEnd) return result;
    const BatchHeader& header = cursor.header();
    result.broken = *step == BatchCursor::Step::kBroken || header.base_offset < result.end_offset;
    if (result.broken) return result;
    if (header.base_offset > result.end_offset) {
      Result<bool> lies = JumpLies(cursor, result.end_offset);
      if (!lies.ok()) return lies.status();
      result.broken = *lies;
      if (result.broken) return result;
    }
    if (header.base_offset >= check_from) {
      Result<std::span<const std::byte>> batch = cursor.Batch();
      if (!batch.ok()) return batch.status();
      result.broken = !BatchChecksumHolds(*batch);
      if (cursor.damaged()) return Status::FromErrno(EIO);
      if (result.broken) return result;
      result.checked_bytes += batch->size();
    }
    if (progress != nullptr) progress->Note(header);
    if (image != nullptr) image->Add(header, cursor.position());
    result.any = true;
    result.last_position = cursor.position();
    result.length = cursor.next_position();
    result.end_offset = header.last_offset + 1;
  }
}

Result<uint64_t> FindZeroTail(File& file, uint64_t from, uint64_t end) {
  constexpr uint64_t kStep = 65536;
  std::vector<std::byte> buffer;
  while (end > from) {
    uint64_t begin = end - from > kStep ? end - kStep : from;
    buffer.resize(static_cast<size_t>(end - begin));
    Result<size_t> got = file.ReadAt(begin, buffer);
    if (!got.ok()) return got.status();
    auto last = std::find_if(buffer.rbegin() + static_cast<ptrdiff_t>(buffer.size() - *got),
                             buffer.rend(), [](std::byte byte) { return byte != std::byte{0}; });
    if (last != buffer.rend()) return begin + static_cast<uint64_t>(buffer.rend() - last);
    end = begin;
  }
  return from;
}

}  // namespace millrace
