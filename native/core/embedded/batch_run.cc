#include "core/embedded/batch_run.h"

#include <algorithm>

#include "core/embedded/record_writer.h"

namespace millrace {

size_t BatchRun::Fill(std::span<const std::byte> bytes, std::span<const uint32_t> lengths,
                      Offset base_offset, int64_t timestamp, size_t seal_bytes, size_t most_bytes) {
  size_ = batches_ = 0;
  size_t taken = 0;
  while (taken < lengths.size() && batches_ < kMostBatchesAtOnce) {
    // No batch is cut short by the end of the run.
    const RecordParts first{std::nullopt, bytes.first(lengths[taken]), {}};
    const size_t room = std::max(seal_bytes, kBatchHeaderBytes + RecordShape(first, 0, 0).size());
    if (batches_ > 0 && size_ + room > most_bytes) break;
    if (size_ + room > memory_.size()) memory_.resize(std::max(size_ + room, most_bytes));

    std::byte* const begin = memory_.data() + size_;
    std::byte* to = begin + kBatchHeaderBytes;
    uint32_t count = 0;
    for (; taken < lengths.size(); ++taken, ++count) {
      const RecordParts record{std::nullopt, bytes.first(lengths[taken]), {}};
      const RecordShape shape(record, 0, count);
      if (shape.size() > static_cast<size_t>(begin + room - to)) break;
      to = shape.Write(record, to);
      bytes = bytes.subspan(lengths[taken]);
    }
    headers_[batches_++] = WriteBatchHeader({begin, to}, base_offset, timestamp, timestamp, count);
    base_offset += count;
    size_ += static_cast<size_t>(to - begin);
  }
  return taken;
}

}  // namespace millrace
