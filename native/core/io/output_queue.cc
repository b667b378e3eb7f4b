#include "core/io/output_queue.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "core/io/page_cache.h"

namespace millrace {
namespace {

constexpr size_t kGatheredChunks = 64;
constexpr uint64_t kRegionStepBytes = 1u << 20;  // one sendfile call
constexpr uint64_t kReadAheadBytes = 2u << 20;   // how far a cold region is read ahead
constexpr size_t kMinBlockBytes = 4096;          // so that small replies share a block
constexpr size_t kCopyBytes = 32u << 10;

// False when the socket takes no more or is broken; `*result` says which.
bool Failed(int error, WriteResult* result) {
  if (error == EAGAIN || error == EWOULDBLOCK) {
    result->stop = WriteStop::kSocketFull;
  } else {
    result->stop = WriteStop::kError;
    result->error = error;
  }
  return false;
}

// As sendfile(2), but 0 also when the bytes are no longer what was promised, or the file ends
// before.
ssize_t SendFile(int socket, const FileRegion& region, uint64_t position, uint64_t length) {
  const std::shared_lock whole = region.KeepWhole();
  if (!region.Valid()) return 0;
  off_t from = static_cast<off_t>(position);
  ssize_t sent;
  do {
    sent = sendfile(socket, region.descriptor(), &from, length);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

}  // namespace

OutputQueue::OutputQueue(OutputQueue&& other) noexcept { *this = std::move(other); }

OutputQueue& OutputQueue::operator=(OutputQueue&& other) noexcept {
  chunks_ = std::exchange(other.chunks_, {});
  first_ = std::exchange(other.first_, 0);
  borrowed_ = std::exchange(other.borrowed_, 0);
  bytes_ = std::exchange(other.bytes_, 0);
  region_bytes_ = std::exchange(other.region_bytes_, 0);
  return *this;
}

void OutputQueue::AddBorrowed(const std::byte* bytes, uint32_t length) {
  if (length == 0) return;
  Chunk chunk;
  chunk.bytes = bytes;
  chunk.length = length;
  chunks_.push_back(std::move(chunk));
  ++borrowed_;
  bytes_ += length;
}

void OutputQueue::AddRegion(FileRegion&& region) {
  if (region.length() == 0) return;
  region_bytes_ += region.length();
  Chunk chunk;
  chunk.region = std::move(region);
  chunks_.push_back(std::move(chunk));
  if (borrowed_ > 0) ++borrowed_;
}

void OutputQueue::OwnBorrowed() {
  if (borrowed_ == 0) return;
  const size_t begin = std::max(first_, chunks_.size() - std::min(borrowed_, chunks_.size()));
  size_t kept = begin;  // chunks [first_, kept) are owned and stay
  for (size_t i = begin; i < chunks_.size(); ++i) {
    if (!chunks_[i].is_borrowed()) {
      if (kept != i) chunks_[kept] = std::move(chunks_[i]);
      ++kept;
      continue;
    }
    const Chunk& from = chunks_[i];
    if (kept > first_ && chunks_[kept - 1].room >= from.length) {
      Chunk& into = chunks_[kept - 1];
      std::memcpy(const_cast<std::byte*>(into.bytes) + into.length, from.bytes, from.length);
      into.length += from.length;
      into.room -= from.length;
      continue;
    }
    // One block for all bytes up to the next region.
    size_t size = 0;
    for (size_t j = i; j < chunks_.size() && !chunks_[j].is_region(); ++j)
      size += chunks_[j].length;
    size = std::clamp<size_t>(size, kMinBlockBytes, UINT32_MAX);
    Chunk owned;
    owned.block.reset(new std::byte[size]);
    owned.bytes = owned.block.get();
    owned.length = from.length;
    owned.room = static_cast<uint32_t>(size - from.length);
    std::memcpy(owned.block.get(), from.bytes, from.length);
    chunks_[kept++] = std::move(owned);
  }
  chunks_.resize(kept);
  borrowed_ = 0;
}

void OutputQueue::Append(OutputQueue&& later) {
  later.OwnBorrowed();
  if (empty()) {
    *this = std::move(later);
    return;
  }
  chunks_.insert(
      chunks_.end(),
      std::make_move_iterator(later.chunks_.begin() + static_cast<ptrdiff_t>(later.first_)),
      std::make_move_iterator(later.chunks_.end()));
  bytes_ += later.bytes_;
  region_bytes_ += later.region_bytes_;
  later = OutputQueue();
}

WriteResult OutputQueue::Write(int socket, const WriteLimits& limits) {
  WriteResult result;
  while (!empty()) {
    if (result.sent >= limits.bytes) {
      result.stop = WriteStop::kTurnOver;
      return result;
    }
    const bool go_on = chunks_[first_].is_region() ? WriteRegion(socket, limits, &result)
                                                   : WriteBytes(socket, &result);
    if (!go_on) return result;
  }
  return result;
}

bool OutputQueue::WriteBytes(int socket, WriteResult* result) {
  std::array<iovec, kGatheredChunks> parts;
  size_t count = 0;
  size_t total = 0;
  size_t next = first_;
  for (; next < chunks_.size() && count < parts.size() && !chunks_[next].is_region(); ++next) {
    const Chunk& chunk = chunks_[next];
    parts[count++] = {const_cast<std::byte*>(chunk.bytes), chunk.length};
    total += chunk.length;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  // More is sure to follow at once: let it share the segment.
  const int more = next < chunks_.size() ? MSG_MORE : 0;
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | more);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return Failed(errno, result);
  result->sent += static_cast<uint64_t>(sent);
  DropSentBytes(static_cast<size_t>(sent));
  if (static_cast<size_t>(sent) < total) {
    result->stop = WriteStop::kSocketFull;
    return false;
  }
  return true;
}

bool OutputQueue::WriteRegion(int socket, const WriteLimits& limits, WriteResult* result) {
  Chunk& chunk = chunks_[first_];
  const FileRegion& region = chunk.region;
  if (region.length() > limits.inline_region_bytes) {
    result->stop = WriteStop::kLargeRegion;
    return false;
  }
  const uint64_t position = region.position() + chunk.sent;
  const uint64_t left = region.length() - chunk.sent;
  const uint64_t step = std::min({left, limits.bytes - result->sent, kRegionStepBytes});
  const int file = region.descriptor();
  uint64_t sent = 0;
  bool go_on = true;
  if (file < 0) {
    go_on = WriteRegionCopy(socket, chunk, step, result, &sent);
    if (result->stop == WriteStop::kRegionInvalid) return false;
  } else {
    if (limits.wait_for_disk) {
      const uint64_t ahead = std::min(region.length(), chunk.sent + step + kReadAheadBytes);
      chunk.asked_ahead = std::max(chunk.asked_ahead, chunk.sent);
      if (chunk.asked_ahead < ahead) {
        ReadAhead(file, region.position() + chunk.asked_ahead, ahead - chunk.asked_ahead);
        chunk.asked_ahead = ahead;
      }
    } else if (!InPageCache(file, position, step)) {
      result->stop = WriteStop::kColdRegion;
      return false;
    }
    const ssize_t n = SendFile(socket, region, position, step);
    if (n < 0) return Failed(errno, result);
    if (n == 0) {
      result->stop = WriteStop::kRegionInvalid;
      return false;
    }
    sent = static_cast<uint64_t>(n);
    result->sent_from_files += sent;
  }
  result->sent += sent;
  chunk.sent += sent;
  region_bytes_ -= sent;
  if (chunk.sent == region.length()) DropFirst();
  return go_on;
}

bool OutputQueue::WriteRegionCopy(int socket, const Chunk& chunk, uint64_t length,
                                  WriteResult* result, uint64_t* sent) {
  std::array<std::byte, kCopyBytes> buffer;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(length, buffer.size()));
  const Result<size_t> read = chunk.region.Read(chunk.sent, {buffer.data(), wanted});
  // Copied while it was as promised, it may go out whatever happens then.
  if (!read.ok() || *read == 0 || !chunk.region.Valid()) {
    result->stop = WriteStop::kRegionInvalid;
    return false;
  }
  ssize_t n;
  do {
    n = send(socket, buffer.data(), *read, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Failed(errno, result);
  *sent = static_cast<uint64_t>(n);
  if (*sent < *read) {
    result->stop = WriteStop::kSocketFull;
    return false;
  }
  return true;
}

void OutputQueue::TellFile(const WriteResult& result) const {
  if (empty() || !chunks_[first_].is_region()) return;
  const Chunk& chunk = chunks_[first_];
  if (result.stop == WriteStop::kRegionInvalid) chunk.region.NoteCutShort();
  // No socket reports EIO.
  if (result.stop == WriteStop::kError && result.error == EIO)
    chunk.region.NoteUnreadable(chunk.sent);
}

void OutputQueue::DropSentBytes(size_t sent) {
  bytes_ -= sent;
  while (sent > 0) {
    Chunk& chunk = chunks_[first_];
    const uint32_t n = static_cast<uint32_t>(std::min<size_t>(sent, chunk.length));
    chunk.bytes += n;
    chunk.length -= n;
    sent -= n;
    if (chunk.length == 0) DropFirst();
  }
}

void OutputQueue::DropFirst() {
  chunks_[first_++] = Chunk{};
  if (first_ < chunks_.size()) {
    // A queue that never runs empty must not grow at its front.
    if (first_ >= 256 && first_ * 2 >= chunks_.size()) {
      chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<ptrdiff_t>(first_));
      first_ = 0;
    }
    return;
  }
  // An idle connection keeps no memory but that of a few replies.
  if (chunks_.capacity() > 8) {
    std::vector<Chunk>().swap(chunks_);
  } else {
    chunks_.clear();
  }
  first_ = 0;
  borrowed_ = 0;
}

}  // namespace millrace
