#include "core/clean/source_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/io/page_cache.h"

namespace millrace {
namespace {

constexpr size_t kReadBytes = 2 << 20;
// Of one call: the kernel does not interrupt a copy for threads that answer clients.
constexpr size_t kStepBytes = 128 << 10;

}  // namespace

SourceReader::SourceReader(std::shared_ptr<File> file, uint64_t size, IoBudget& budget,
                           std::vector<std::byte>* buffer)
    : file_(std::move(file)), size_(size), budget_(budget), buffer_(*buffer) {
  if (buffer_.size() < kReadBytes) buffer_.resize(kReadBytes);
}

SourceReader::~SourceReader() { LetGo(size_); }

uint64_t SourceReader::EndOfPart(uint64_t begin) const {
  return std::min<uint64_t>(begin + kReadBytes, size_);
}

void SourceReader::LookAhead(uint64_t until) {
  const int descriptor = file_->descriptor();
  if (descriptor < 0) return;
  while (looked_until_ < std::min(until, size_)) {
    const uint64_t length = EndOfPart(looked_until_) - looked_until_;
    if (InPageCache(descriptor, looked_until_, length)) {
      cached_bytes_ += length;
    } else {
      cold_parts_.push_back(looked_until_);
      ReadAhead(descriptor, looked_until_, length);
    }
    looked_until_ += length;
  }
}

void SourceReader::LetGo(uint64_t read) {
  while (!cold_parts_.empty() && EndOfPart(cold_parts_.front()) <= read) {
    const uint64_t begin = cold_parts_.front();
    file_->DropCacheRange(begin, EndOfPart(begin) - begin);
    cold_parts_.pop_front();
  }
}

Status SourceReader::Fill(size_t length) {
  if (end_ - begin_ >= length) return Status::Ok();
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() < length) buffer_.resize(length);
  const uint64_t from = next_ + end_;
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(buffer_.size() - end_, size_ - from));
  if (Status status = budget_.Spend(wanted); !status.ok()) return status;
  // The disk is busy with the next part while this one is worked on.
  LookAhead(from + wanted + kReadBytes);
  for (uint64_t at = from; at < from + wanted;) {
    const size_t step = std::min<size_t>(kStepBytes, static_cast<size_t>(from + wanted - at));
    Result<size_t> got = file_->ReadAt(at, std::span(buffer_).subspan(end_, step));
    if (!got.ok()) return got.status();
    bytes_read_ += *got;
    end_ += *got;
    at += *got;
    if (*got < step) break;
  }
  LetGo(next_ + end_);
  return end_ >= length ? Status::Ok() : Status(Code::kCorrupt);  // somebody else has cut it
}

Result<bool> SourceReader::Next() {
  position_ = next_;
  batch_ = {};
  if (next_ == size_) return false;
  if (size_ - next_ < kBatchHeaderBytes) return Status(Code::kCorrupt);
  if (Status status = Fill(kBatchHeaderBytes); !status.ok()) return status;
  const auto bytes = std::span<const std::byte>(buffer_).subspan(begin_, kBatchHeaderBytes);
  if (!PeekBatchHeader(bytes, &header_).ok()) return Status(Code::kCorrupt);
  const auto size = static_cast<size_t>(header_.size_bytes);
  if (size > size_ - next_ || header_.base_offset < next_offset_) return Status(Code::kCorrupt);
  if (Status status = Fill(size); !status.ok()) return status;
  batch_ = std::span<const std::byte>(buffer_).subspan(begin_, size);
  if (!BatchChecksumHolds(batch_)) return Status(Code::kCorrupt);
  begin_ += size;
  next_ += size;
  next_offset_ = header_.last_offset + 1;
  return true;
}

}  // namespace millrace
