#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/log/log_services.h"
#include "core/log/removal_queue.h"
#include "core/log/segment.h"
#include "core/log/segment_names.h"
#include "core/log/swap.h"

namespace millrace {

// A cleaned segment takes the place of some segments. On the disk:
//
//   1 Commit   <base>.log.cleaned gets the name <base>.log.swap-<last base>, durably: the one step
//              that decides. Before it a start throws the cleaned files away, from here on it
//              finishes what follows.
//   2          the names of all replaced segments but the first go, and the new indexes replace the
//              first's; then, when that is durable, the swap gets the name <base>.log.
//
// In between, on the decision thread, LogImpl exchanges the segments in its list. Files that are
// open stay what they were for readers that have them. A replaced segment's names are retired
// before step 2, so that nobody opens by them what they stand for later; the new segment's files
// are held open until its names are right.
//
// Made and finished by the decision thread, committed by a thread that may wait for the disk; the
// mutex is held for as long as that one is at it.
class Replacement {
 public:
  Replacement(Disk& disk, LogServices& services, RemovalQueue& removals, std::string directory,
              std::vector<Offset> bases, Offset end_offset, uint32_t index_interval_bytes,
              bool refused);

  // Any thread that may wait. kWouldBlock: there is no such cleaned segment, or its sources were
  // changed while it was written; the cleaned files are gone.
  Status Commit();
  // Nothing will come of it any more, or all of it has. Decision thread; waits for nothing.
  bool over();

 private:
  friend class LogImpl;
  enum class State { kWaiting, kCommitted, kOver };

  Status Check();
  Status TakeFiles();
  Status Decide();
  void DropCleaned();
  // Whoever cuts the log: unless it is committed, it will not be.
  void Cancel();
  // The log is let go of. What is committed the next start finishes.
  void Abandon();
  // With the mutex held: it is over, and its files are no longer needed.
  void End(Status status);
  SwapNames names() const { return {bases_.front(), bases_.back()}; }
  std::string PathOf(FileKind kind) const;
  std::string CleanedPathOf(FileKind kind) const;

  Disk& disk_;
  LogServices& services_;
  const std::function<Status()> finish_removals_;
  const std::string directory_;
  const std::vector<Offset> bases_;
  const Offset end_offset_;  // of the last of them
  const uint32_t index_interval_bytes_;

  const bool refused_;  // the segments are not there

  std::mutex mutex_;
  // Guarded by mutex_.
  State state_ = State::kWaiting;
  Status status_;
  bool undecided_ = false;  // the name may or may not be on the disk
  std::unique_ptr<Segment> segment_;
  std::vector<std::shared_ptr<File>> held_;  // its log, offset index and time index
};

}  // namespace millrace
