#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "core/base/disk.h"
#include "core/clean/io_budget.h"
#include "core/log/batch.h"

namespace millrace {

// Goes over the batches of a sealed segment from front to back, in large reads, and checks all that
// it reads. It leaves the page cache as it was: what was not in there before goes again, so that a
// pass over a large log does not push out what consumers are about to read. One thread.
class SourceReader {
 public:
  // `size` is where the file ends. `buffer` is used while the reader lives, and may grow.
  SourceReader(std::shared_ptr<File> file, uint64_t size, IoBudget& budget,
               std::vector<std::byte>* buffer);
  ~SourceReader();
  SourceReader(const SourceReader&) = delete;
  SourceReader& operator=(const SourceReader&) = delete;

  // False at the end. kCorrupt for what is no batch, lies below the one before or contradicts its
  // checksum: position() is where.
  Result<bool> Next();
  const BatchHeader& header() const { return header_; }
  std::span<const std::byte> batch() const { return batch_; }  // until the next call of Next
  uint64_t position() const { return position_; }
  bool at_last() const { return next_ == size_; }  // the current batch is the file's last
  uint64_t bytes_read() const { return bytes_read_; }
  // Of what was read so far, what had been in the page cache before.
  uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  // At least `length` bytes from next_ on are in the buffer.
  Status Fill(size_t length);
  // Looks which parts up to `until` are in the page cache, and begins to read the others.
  void LookAhead(uint64_t until);
  // Lets go of what lies below `read` and was read for us.
  void LetGo(uint64_t read);
  uint64_t EndOfPart(uint64_t begin) const;

  const std::shared_ptr<File> file_;
  const uint64_t size_;
  IoBudget& budget_;
  std::vector<std::byte>& buffer_;
  size_t begin_ = 0;  // what is left of the buffer: bytes [begin_, end_)
  size_t end_ = 0;
  uint64_t next_ = 0;  // position of begin_
  uint64_t position_ = 0;
  Offset next_offset_ = 0;
  BatchHeader header_{};
  std::span<const std::byte> batch_;
  uint64_t bytes_read_ = 0;
  uint64_t cached_bytes_ = 0;
  uint64_t looked_until_ = 0;
  std::deque<uint64_t> cold_parts_;  // where parts begin that were not in the cache, oldest first
};

}  // namespace millrace
