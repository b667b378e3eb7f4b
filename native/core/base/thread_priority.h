#pragma once

namespace millrace {

// From now on the calling thread may be interrupted for another one that became ready after 0.1 ms,
// where the scheduler would let it finish a slice of milliseconds: for work that is long and in no
// hurry beside threads that answer clients. It gets no less of the processor for that.
void TakeShortSlices();

// While it lives, the calling thread yields the processor, at once, and, where the disk's scheduler
// heeds it, the disk to other threads. Taking the old priority back may need a right that the
// process has not; then the thread stays as it is, so this is for threads that do nothing that
// hurries.
class LowPriority {
 public:
  LowPriority();
  ~LowPriority();
  LowPriority(const LowPriority&) = delete;
  LowPriority& operator=(const LowPriority&) = delete;

 private:
  int nice_ = 0;          // before
  int io_priority_ = -1;  // before; -1 where it is not known
};

}  // namespace millrace
