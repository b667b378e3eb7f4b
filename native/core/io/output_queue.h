#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/log/log.h"

namespace millrace {

// What a write may do before it hands the rest back.
struct WriteLimits {
  uint64_t bytes = 0;                // then it is somebody else's turn
  uint64_t inline_region_bytes = 0;  // larger regions are left to a sender
  // Regions outside the page cache: read ahead and waited for, or left to who may wait.
  bool wait_for_disk = false;
};

enum class WriteStop {
  kEmpty,          // everything was sent
  kSocketFull,     // wait until the socket takes more
  kTurnOver,       // limits.bytes were sent
  kLargeRegion,    // above limits.inline_region_bytes
  kColdRegion,     // not in the page cache, and waiting was not allowed
  kRegionInvalid,  // bytes that were promised are gone; the connection cannot go on
  kError,          // errno in `error`
};

struct WriteResult {
  WriteStop stop = WriteStop::kEmpty;
  int error = 0;
  uint64_t sent = 0;
  uint64_t sent_from_files = 0;  // of these, by sendfile(2)
};

// What a connection has yet to send, in order: bytes and file regions. One thread at a time: the
// loop's, or while it is lent the sender's.
class OutputQueue {
 public:
  OutputQueue() = default;
  OutputQueue(OutputQueue&& other) noexcept;
  OutputQueue& operator=(OutputQueue&& other) noexcept;

  void AddBorrowed(const std::byte* bytes, uint32_t length);
  void AddRegion(FileRegion&& region);
  // Copies what is left of the borrowed bytes, in as few blocks as possible. Only the newest chunks
  // are borrowed.
  void OwnBorrowed();
  // Puts everything of `later` behind what is here; `later` is empty afterwards.
  void Append(OutputQueue&& later);

  WriteResult Write(int socket, const WriteLimits& limits);
  // After a Write that failed: what it says of the file whose region comes next is noted there.
  void TellFile(const WriteResult& result) const;

  bool empty() const { return first_ == chunks_.size(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t region_bytes() const { return region_bytes_; }

 private:
  struct Chunk {
    const std::byte* bytes = nullptr;  // borrowed or in `block`; null: a region
    uint32_t length = 0;               // of the bytes that are left
    uint32_t room = 0;                 // free bytes of `block` behind them
    std::unique_ptr<std::byte[]> block;
    FileRegion region;
    uint64_t sent = 0;         // of the region
    uint64_t asked_ahead = 0;  // of the region: how far the kernel was asked to read
    bool is_region() const { return bytes == nullptr; }
    bool is_borrowed() const { return bytes != nullptr && block == nullptr; }
  };

  bool WriteBytes(int socket, WriteResult* result);
  bool WriteRegion(int socket, const WriteLimits& limits, WriteResult* result);
  // Without a descriptor for sendfile (simulated disks): through a buffer.
  bool WriteRegionCopy(int socket, const Chunk& chunk, uint64_t length, WriteResult* result,
                       uint64_t* sent);
  void DropSentBytes(size_t sent);
  void DropFirst();

  std::vector<Chunk> chunks_;
  size_t first_ = 0;     // chunks before it were sent
  size_t borrowed_ = 0;  // chunks at the end that are borrowed, at most; regions between them count
  uint64_t bytes_ = 0;
  uint64_t region_bytes_ = 0;
};

}  // namespace millrace
