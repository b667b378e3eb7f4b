#pragma once

#include <cstddef>

#include "core/base/fault_guard.h"
#include "core/base/status.h"

namespace millrace {

// Memory over a file that is lent to code which may go on using it, from any thread, after it was
// taken back: a view in JavaScript that was handed to a thread pool, or whose buffer was moved to
// another owner. So the addresses are never given back to the kernel. Taking the memory back puts
// zeros in the file's place, which lets go of the file, and the addresses wait for the next file
// (the ones that were returned first are taken first). Who still uses them reads zeros, or later
// another file's bytes, and never faults.
//
// The file is mapped privately, and may be written to: what the borrower writes stays in this
// process, and the file never changes. Bytes of the file that nobody wrote over are seen as they
// are, also as others write them.
//
// Beyond the file's end lie pages that it does not have yet. Touching them, or others that cannot
// be had, gives zeros and makes the range damaged (fault_guard.h), until it is mapped anew.
//
// One thread but for the memory itself.
class LentRange {
 public:
  // The first `length` bytes of the file, whether it has them yet or not.
  static Result<LentRange> Map(int descriptor, size_t length);
  LentRange(LentRange&& other) noexcept;
  LentRange& operator=(LentRange&&) = delete;
  ~LentRange();

  std::byte* data() const { return data_; }
  size_t length() const { return length_; }
  bool damaged() const { return guard_->damaged(); }
  size_t last_damage() const { return guard_->last_damage(); }
  // Maps the file over all that was written over or replaced.
  Status MapAnew(int descriptor);

 private:
  LentRange(std::byte* data, GuardedRange* guard, size_t length, size_t reserved)
      : data_(data), guard_(guard), length_(length), reserved_(reserved) {}

  std::byte* data_;  // null: moved from
  // Of the addresses, and for ever like them: a thread whose access has failed already may come to
  // the handler after the file has gone.
  GuardedRange* guard_;
  size_t length_;
  size_t reserved_;  // a power of two
};

}  // namespace millrace
