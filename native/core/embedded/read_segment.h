#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/unique_fd.h"
#include "core/embedded/lent_range.h"
#include "core/log/batch.h"

namespace millrace {

// A segment as a directory lists it.
struct ListedSegment {
  Offset base_offset;
  Offset swapped_last;  // the name is that of a cleaned segment about to be renamed, else -1
  uint64_t inode;       // tells it from another file of that name
};

// The segments of a log, by base offset, without those that a cleaned one has replaced.
Result<std::vector<ListedSegment>> ListSegments(const std::string& directory);

// A segment's .log, mapped for reading by somebody who is not its writer, and locked so that the
// writer leaves the file as it is (read_lock.h). One thread.
class ReadSegment {
 public:
  // Maps at least `reserve` bytes, and all that the file has. kNotFound or kWouldBlock: the file is
  // going, or being changed, and the directory has to be listed anew.
  static Result<std::unique_ptr<ReadSegment>> Open(const std::string& directory, Offset base_offset,
                                                   Offset swapped_last, size_t reserve);

  std::byte* data() const { return range_.data(); }
  size_t length() const { return range_.length(); }
  uint64_t inode() const { return inode_; }
  Result<uint64_t> FileSize() const;

  // Checks batches from `position` on, one at least and no more than begin within `window` bytes,
  // all of which have to end by `end`; says where the last good one ends. `position` itself: there
  // lie zeros, in which batches end. kCorrupt: the first is none, or its bytes are gone.
  Result<uint64_t> Verify(uint64_t position, uint64_t end, uint64_t window);
  // After somebody saw ReplacedPages() move: whether [begin, end) is what the file says, and so is
  // what was lost last, if it lies below `readable`, the end of what readers were told of. Damage
  // behind that, where nobody ought to read, is mended.
  Status Check(uint64_t begin, uint64_t end, uint64_t readable);

 private:
  ReadSegment(UniqueFd file, LentRange range, uint64_t inode)
      : file_(std::move(file)), range_(std::move(range)), inode_(inode) {}
  enum class Batch { kGood, kNone, kBad };
  Batch Look(uint64_t position, uint64_t end, uint64_t* batch_end) const;

  const UniqueFd file_;  // its lock ends with it, after the range
  LentRange range_;
  const uint64_t inode_;
};

}  // namespace millrace
