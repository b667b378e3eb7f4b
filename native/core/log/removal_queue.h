#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/log/log_services.h"
#include "core/log/segment_file.h"
#include "core/log/spare_segments.h"
#include "core/log/swap.h"

namespace millrace {

// Removes the files of segments below a log's start on the background thread: unlinking can wait
// for the file system's journal, and giving back a large file's blocks takes long. Segments go in
// the order in which they came, so that a crash leaves no hole above the oldest that is left. One
// that cannot be removed stops those behind it; the next Add or Finish tries again, and so does the
// next start of the process. The names of a swap come in the same order: they belong to what was
// removed before, or will be. A segment's file may become a spare. Called by the decision thread,
// or by whoever closes the log.
class RemovalQueue {
 public:
  struct Segment {
    std::shared_ptr<SegmentFile> log;
    std::shared_ptr<CachedFile> offset_index;
    std::shared_ptr<CachedFile> time_index;
  };

  // A replacement that was decided, and whose names are to be put right.
  struct Swap {
    // A replaced segment that no name leads to any more; `log` where it was open.
    struct Replaced {
      Offset base_offset;
      std::shared_ptr<File> log;
    };
    std::string directory;
    SwapNames names;
    bool drop = false;                        // all that it stands for is below the log's start
    std::vector<std::shared_ptr<File>> held;  // the new segment's files
    std::vector<Replaced> replaced;
    bool tried = false;
  };

  RemovalQueue(Disk& disk, LogServices& services, std::shared_ptr<SpareSegments> spares);
  ~RemovalQueue() { Abandon(); }

  void Add(Segment segment) { Add(Removal{std::move(segment), std::nullopt}); }
  void Add(Swap swap) { Add(Removal{{}, std::move(swap)}); }
  // Removes what is left before it returns, so that its names may be used again.
  Status Finish();
  // Does the same on any thread that may wait, also when this object is gone.
  std::function<Status()> Finisher() const;
  // Removes nothing more: the directory goes, or the process ends.
  void Abandon();

  // The removal itself, on the calling thread, and without a spare.
  static Status Remove(Disk& disk, LogServices& services, const Segment& segment);

 private:
  struct Removal {
    Segment segment;
    std::optional<Swap> swap;  // instead
  };
  struct State {
    explicit State(std::shared_ptr<SpareSegments> kept) : spares(std::move(kept)) {}
    const std::shared_ptr<SpareSegments> spares;
    std::mutex removing;  // held while names are removed; before `mutex`
    std::mutex mutex;
    std::deque<Removal> removals;  // guarded by mutex; popped by the holder of `removing`
  };

  void Add(Removal removal);
  static Status RemoveOldest(Disk& disk, LogServices& services, SpareSegments& spares,
                             const Segment& segment);
  static Status RemoveAll(Disk& disk, LogServices& services, State& state);
  static Status Finish(Disk& disk, LogServices& services, Swap& swap);

  Disk& disk_;
  LogServices& services_;
  // A queued task may outlive this object, and then finds no segments.
  const std::shared_ptr<State> state_;
};

}  // namespace millrace
