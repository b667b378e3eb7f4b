#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>

#include "core/log/open_files.h"

namespace millrace {

// One .log file as everybody but its writer sees it: readers' regions, the flush, the segment.
// Shared by counting.
class SegmentFile {
 public:
  SegmentFile(OpenFiles& cache, Disk& disk, std::string path)
      : file_(cache, disk, std::move(path)) {}

  CachedFile& file() { return file_; }

  // Truncations so far. Any thread.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // Whether bytes below `end`, promised in `generation`, have stayed what they were. Any thread.
  bool Holds(uint64_t generation, uint64_t end) const {
    return generation_.load(std::memory_order_acquire) == generation ||
           end <= lowest_cut_.load(std::memory_order_acquire);
  }
  // Held while bytes are handed to a socket that were promised to its peer and that Holds() says
  // are still there: a cut waits. Looking afterwards would be too late, since the peer may believe
  // a whole answer before its connection is closed. Any thread.
  std::shared_lock<std::shared_mutex> KeepWhole() const { return std::shared_lock(cutting_); }
  // Decision thread, before it takes away the bytes from `position` on. Nobody hands them to a
  // socket when it returns, nor afterwards.
  void Cut(uint64_t position) {
    const std::lock_guard cutting(cutting_);
    uint64_t lowest = std::min(position, lowest_cut_.load(std::memory_order_relaxed));
    lowest_cut_.store(lowest, std::memory_order_release);
    generation_.fetch_add(1, std::memory_order_acq_rel);
  }

  // How long the file was made for what is still to come: at least as long it is, unless somebody
  // else cut it. Stored by the decision thread, after the file grew and before it shrinks.
  uint64_t allocated() const { return allocated_.load(std::memory_order_acquire); }
  void SetAllocated(uint64_t end) { allocated_.store(end, std::memory_order_release); }

  // Counts the times that the file got other blocks or another size, or wrote blocks for the first
  // time, all of which its file system has to note on the disk. Stored by the decision thread,
  // after that was done and before bytes in it count towards the log's end.
  uint64_t layout() const { return layout_.load(std::memory_order_acquire); }
  void NoteLayout() { layout_.fetch_add(1, std::memory_order_release); }
  // What it was when the file was last synced began: while it has not changed, writing bytes back
  // and emptying the device's cache makes them durable. Stored by flush threads, one at a time.
  bool settled() const { return layout() == settled_layout_.load(std::memory_order_acquire); }
  void Settle(uint64_t layout) { settled_layout_.store(layout, std::memory_order_release); }

  // The file does not hold what was promised, since somebody else changed it: whoever sees that
  // first says so, and the log fails when it next looks. Any thread.
  bool damaged() const { return damaged_.load(std::memory_order_acquire); }
  void NoteDamage() { damaged_.store(true, std::memory_order_release); }
  // Where the device last failed to deliver what was to be sent; UINT64_MAX: nowhere. Any thread.
  uint64_t unreadable() const { return unreadable_.load(std::memory_order_acquire); }
  void NoteUnreadable(uint64_t position) { unreadable_.store(position, std::memory_order_release); }

  // The end of the batches: stored by the decision thread after the bytes, loaded by flush threads.
  uint64_t written() const { return written_.load(std::memory_order_acquire); }
  void SetWritten(uint64_t end) { written_.store(end, std::memory_order_release); }

 private:
  CachedFile file_;
  mutable std::shared_mutex cutting_;
  std::atomic<uint64_t> generation_{0};  // stored by the decision thread
  std::atomic<uint64_t> lowest_cut_{
      UINT64_MAX};  // stored by the decision thread before generation_
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> allocated_{0};
  std::atomic<uint64_t> layout_{1};
  std::atomic<uint64_t> settled_layout_{0};
  std::atomic<bool> damaged_{false};
  std::atomic<uint64_t> unreadable_{UINT64_MAX};
};

}  // namespace millrace
