#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/disk.h"
#include "core/log/log_services.h"
#include "core/log/spare_segments.h"

namespace millrace {

// The file of a log's next segment, made ahead on the background thread: created under a name of
// its own, allocated, mostly synced, and the name too, and closed: thousands of logs may have one.
// Or it is a spare one (spare_segments.h). Rolling then costs the decision thread opening it and a
// rename. Whatever goes wrong here only means that the roll creates its file itself. Decision
// thread, but for the task, which shares State with it.
class PreparedSegment {
 public:
  PreparedSegment(Disk& disk, LogServices& services, std::shared_ptr<SpareSegments> spares,
                  std::string directory);
  ~PreparedSegment() { (void)Discard(); }

  struct Wanted {
    uint64_t allocate_bytes;
    uint64_t least_bytes;  // on a disk that has no room for many such files
    // Whether a new file and its name are synced, so that the first flush of the segment has less
    // to do. No promise rests on it; and where a log is about to need the file, and keeps the disk
    // busy, the sync would still be waiting for what was written before.
    bool sync;
  };
  // Begins to prepare, unless that was done since the last Take. Cheap.
  void Start(const Wanted& wanted);
  // The file, to be renamed from path(), or null when none is ready; one that is still being made
  // serves the next roll.
  std::shared_ptr<File> Take(uint64_t* allocated);
  // Waits for a running task and removes what it made. Whether there was anything.
  bool Discard();
  const std::string& path() const { return path_; }

 private:
  enum class Stage { kNone, kQueued, kRunning, kReady, kFailed };
  struct State {
    std::mutex mutex;
    std::condition_variable left_running;
    // Guarded by mutex.
    Stage stage = Stage::kNone;
    uint64_t allocated = 0;  // when ready
  };

  static Status Make(Disk& disk, SpareSegments& spares, const std::string& directory,
                     const std::string& path, const Wanted& wanted, uint64_t* allocated);

  Disk& disk_;
  LogServices& services_;
  const std::shared_ptr<SpareSegments> spares_;
  const std::string directory_;
  const std::string path_;
  const std::shared_ptr<State>
      state_;  // a queued task may outlive this object, and then does nothing
};

}  // namespace millrace
