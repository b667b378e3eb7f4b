#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "core/log/log_services.h"
#include "core/log/segment_file.h"

namespace millrace {

// Removes the files of segments below a log's start on the background thread: unlinking can wait
// for the file system's journal, and giving back a large file's blocks takes long. Segments go in
// the order in which they came, so that a crash leaves no hole above the oldest that is left. One
// that cannot be removed stops those behind it; the next Add or Finish tries again, and so does the
// next start of the process. Called by the decision thread, or by whoever closes the log.
class RemovalQueue {
 public:
  struct Segment {
    std::shared_ptr<SegmentFile> log;
    std::shared_ptr<CachedFile> offset_index;
    std::shared_ptr<CachedFile> time_index;
  };

  RemovalQueue(Disk& disk, LogServices& services);
  ~RemovalQueue() { Abandon(); }

  void Add(Segment segment);
  // Removes what is left before it returns, so that its names may be used again.
  Status Finish();
  // Removes nothing more: the directory goes, or the process ends.
  void Abandon();

  // The removal itself, on the calling thread.
  static Status Remove(Disk& disk, LogServices& services, const Segment& segment);

 private:
  struct State {
    std::mutex removing;  // held while names are removed; before `mutex`
    std::mutex mutex;
    std::deque<Segment> segments;  // guarded by mutex; popped by the holder of `removing`
  };

  static Status RemoveAll(Disk& disk, LogServices& services, State& state);

  Disk& disk_;
  LogServices& services_;
  // A queued task may outlive this object, and then finds no segments.
  const std::shared_ptr<State> state_;
};

}  // namespace millrace
