#include "core/log/batch_cursor.h"

#include <algorithm>
#include <cerrno>

namespace millrace {

void BatchCursor::MapAhead() {
  if (mapping_ != nullptr || mode_ != ReadMode::kWait) return;
  if (next_ >= end_ || end_ - next_ < kMapFromBytes) return;
  Result<std::unique_ptr<Mapping>> mapping = file_->Map(end_, false);
  if (mapping.ok()) mapping_ = std::move(*mapping);
}

Result<bool> BatchCursor::Peek(BatchHeader* header) {
  if (next_ >= end_) return false;
  size_t wanted = static_cast<size_t>(std::min<uint64_t>(kBatchHeaderBytes, end_ - next_));
  Result<std::span<const std::byte>> bytes = Load(next_, wanted, window_);
  if (!bytes.ok()) return bytes.status();
  const bool plausible = PeekBatchHeader(*bytes, header).ok();
  if (damaged()) return Status::FromErrno(EIO);
  return plausible;
}

Result<BatchCursor::Step> BatchCursor::Next() {
  if (next_ >= end_) return next_ == end_ ? Step::kEnd : Step::kBroken;
  BatchHeader header;
  Result<bool> plausible = Peek(&header);
  if (!plausible.ok()) return plausible.status();
  if (!*plausible) return Step::kBroken;
  uint64_t size = static_cast<uint64_t>(header.size_bytes);
  if (size > end_ - next_) return Step::kBroken;
  header_ = header;
  position_ = next_;
  next_ += size;
  // Reading ahead pays for small batches only, and only from the second one on.
  window_ = size < kSmallWindow ? kLargeWindow : kSmallWindow;
  return Step::kBatch;
}

Result<std::span<const std::byte>> BatchCursor::Batch() {
  size_t size = static_cast<size_t>(header_.size_bytes);
  Result<std::span<const std::byte>> bytes = Load(position_, size, std::max(size, window_));
  if (bytes.ok() && bytes->size() < size)
    return Status(Code::kCorrupt);  // somebody else cut the file
  return bytes;
}

Result<std::span<const std::byte>> BatchCursor::Load(uint64_t position, size_t length,
                                                     size_t window) {
  if (mapping_ != nullptr) {
    return std::span<const std::byte>(mapping_->data() + position, length);
  }
  if (position < buffer_at_ || position + length > buffer_at_ + buffer_.size()) {
    uint64_t reach = std::max<uint64_t>(length, std::min<uint64_t>(window, end_ - position));
    buffer_.resize(static_cast<size_t>(reach));
    buffer_at_ = position;
    Result<size_t> got = ReadAtLeast(*file_, mode_, position, length, buffer_);
    if (!got.ok()) {
      buffer_.clear();
      return got.status();
    }
    buffer_.resize(*got);
  }
  size_t skip = static_cast<size_t>(position - buffer_at_);
  return std::span<const std::byte>(buffer_).subspan(skip, std::min(length, buffer_.size() - skip));
}

}  // namespace millrace
