#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/log/log.h"
#include "core/log/mapped_tail.h"
#include "core/log/segment_file.h"

namespace millrace {

// A segment with bytes that may not be on the disk.
struct DirtySegment {
  // An index that its writer has let go of: to be trimmed and synced with its segment.
  struct Index {
    // Null when there is no index. No descriptor is held: an index whose write-back failed unseen
    // is found out by whoever follows its entries, and made again.
    std::shared_ptr<CachedFile> name;
    uint64_t bytes = 0;
  };

  Offset base_offset = 0;
  std::shared_ptr<SegmentFile> segment;
  uint64_t layout = 0;  // in a flush: the segment's, when it began
  // Held from the first write until the bytes are durable, so that an error of the write-back is
  // reported to a descriptor of ours. Null after a restart: the flush opens the file.
  std::shared_ptr<File> log;
  std::shared_ptr<MappedTail> tail;  // where it is written through a mapping
  bool sealed = false;  // rolled: nothing is written any more, and the files may be trimmed
  Index offset_index;
  Index time_index;
};

// Held while a flush runs, which for many logs at once is many of them on one thread: more than the
// sanitizer's view of mutexes has room for.
class FlushPass {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) held_.wait(true);
  }
  bool try_lock() { return !held_.exchange(true, std::memory_order_acquire); }
  void unlock() {
    held_.store(false, std::memory_order_release);
    held_.notify_one();
  }

 private:
  std::atomic<bool> held_{false};
};

// What stands between a log's written and its durable end. Flush threads and the decision thread
// meet here and nowhere else. Lock order: pass_ before mutex_; mutex_ is held for copies
// only, never across a call to the disk.
class DirtyFiles {
 public:
  DirtyFiles(Disk& disk, OpenFiles& files, std::string directory);

  // Decision thread.
  // The log ends at `offset`, durably. With StopFlush, or before any other thread knows the log.
  void Begin(Offset offset);
  void SetEnd(Offset end) { end_.store(end, std::memory_order_release); }
  void Add(DirtySegment segment);  // takes the place of what is known under its base offset
  // The files are gone, or were synced by the caller. Whoever drops what it returns may be the one
  // who closes them.
  std::vector<DirtySegment> Forget(Offset from_base, Offset before_base);
  void NamesChanged(bool parent);
  // The names in the log's directory are durable when it returns. Waits for the disk if they were
  // not.
  Status SyncNewNames();
  // While it is held, no flush runs: for truncating and closing, which wait for the disk anyway.
  std::unique_lock<FlushPass> StopFlush() { return std::unique_lock(pass_); }
  // The same, unless a flush is running.
  std::unique_lock<FlushPass> TryStopFlush() { return std::unique_lock(pass_, std::try_to_lock); }
  // With StopFlush: the log ends at `end` now.
  void Rewind(Offset end);
  // With StopFlush: what Flush does.
  Result<DurablePoint> FlushStopped();
  bool names_dirty() const;
  bool clean();  // nothing is waiting for a flush

  // Any thread.
  Offset durable() const { return durable_.load(std::memory_order_acquire); }
  Offset end() const { return end_.load(std::memory_order_acquire); }
  bool settled();  // no flush would have to sync more than bytes, as far as it looks now
  bool failed() const { return failure_.load(std::memory_order_acquire) != 0; }
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }  // that moved durable()
  // Nothing is durable any more from now on; the first reason is kept.
  void Fail(Status reason);
  Status failure() const;

  // Flush threads, one at a time.
  Result<DurablePoint> Flush();
  void StartWriteBack();
  // Flush in two halves, for whoever syncs the file system in between. No other flush begins until
  // the second. True: what is left to do is to empty the device's cache.
  bool BeginFlush();
  Result<DurablePoint> EndFlush(bool synced);

 private:
  struct Work {
    std::vector<DirtySegment> segments;  // by base offset
    uint64_t names = 0;
    bool names_dirty = false;
    bool parent_dirty = false;
    Offset end = 0;
  };

  Work Collect();
  bool Empty(const Work& work) const;
  static bool Settled(const Work& work);
  Status WriteBack(const Work& work);
  Result<DurablePoint> Publish(const Work& work, Status status);
  Status Sync(const Work& work);
  // Null: the file is not there any more, or not needed.
  Result<std::shared_ptr<File>> OpenLog(const DirtySegment& dirty);
  Result<std::shared_ptr<File>> OpenIndex(const DirtySegment::Index& index);
  Status SyncLog(const DirtySegment& dirty);
  Status CheckUntouched(const DirtySegment& dirty, File& log);
  Status SyncIndex(const DirtySegment::Index& index);
  Status SyncNames(const Work& work);
  void Done(const Work& work);
  bool Gone(Offset base_offset);

  Disk& disk_;
  OpenFiles& files_;
  const std::string directory_;

  FlushPass pass_;
  Work begun_;  // of the holder of pass_, between BeginFlush and EndFlush

  mutable std::mutex mutex_;
  // Guarded by mutex_. The last one may be the active segment, which stays as long as it is
  // written.
  std::vector<DirtySegment> segments_;
  uint64_t names_ = 0;         // counts changes to the directory
  uint64_t names_synced_ = 0;  // the count that is durable
  bool parent_dirty_ = false;

  std::atomic<Offset> durable_{0};   // stored by whoever holds pass_
  std::atomic<uint64_t> syncs_{0};   // likewise
  std::atomic<Offset> end_{0};       // stored by the decision thread after the bytes are written
  std::atomic<int64_t> failure_{0};  // code and errno of the first reason; never goes back
};

}  // namespace millrace
