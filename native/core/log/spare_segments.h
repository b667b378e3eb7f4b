#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/disk.h"
#include "core/log/log_services.h"
#include "core/log/segment_file.h"

namespace millrace {

// The files of segments that retention removed, kept to become the log's next ones: making a file
// of that size and removing another keeps the file system busier than all that is written to them.
//
//   <base>.log --Keep--> spare-<number>.prepared --TakeAs--> next.prepared --roll--> <base>.log
//
// Between the first name and the second the file is nobody's, and is made all zeros, durably,
// before it counts as a spare. So no byte of a segment's former life is ever under a segment's
// name, whatever happens: recovery meets a recycled file as it meets a new one. A file that
// somebody else still has, here or in another process, is removed instead and lives on for them.
//
// A spare stays within the log that wrote it, and never outlives its process: the next start
// removes them all, and so does whatever cuts or ends the log. Spares are not part of a log's size.
// They are kept where the disk has room for many more, and given back before an append is refused.
//
// Keep and TakeAs wait for the disk: the background thread calls them, and whoever removes segments
// by himself; the rest is the decision thread's. What they share is under the mutex.
class SpareSegments {
 public:
  SpareSegments(Disk& disk, LogServices& services, std::string directory)
      : disk_(disk), services_(services), directory_(std::move(directory)) {}

  // At most `count` spares, of `bytes` each; 0: none. Those of another size go when they are due.
  void Configure(size_t count, uint64_t bytes);
  // Takes in the file of a segment that has left the log, below its start, if that may be. Whether
  // it did or not, what is left of the segment is to be removed as ever.
  void Keep(SegmentFile& segment);
  // Gives the file `path` as its name, with `*bytes` of zeros, in place of one to be made. False:
  // there is none.
  bool TakeAs(const std::string& path, uint64_t* bytes);
  // Removes all. Whether there were any.
  bool Discard();

 private:
  struct Spare {
    std::string path;
    uint64_t bytes;
  };

  // A name for a file of this length, which nobody has had before; empty: it is not to be kept.
  std::string ClaimName(uint64_t length, uint64_t* bytes);
  bool HasRoom(uint64_t bytes) const;
  Status Erase(const std::shared_ptr<File>& file, uint64_t bytes);

  Disk& disk_;
  LogServices& services_;
  const std::string directory_;

  std::mutex mutex_;  // held for copies only
  // Guarded by mutex_.
  size_t count_ = 0;
  uint64_t bytes_ = 0;
  uint64_t names_ = 0;  // so far
  std::vector<Spare> spares_;
};

}  // namespace millrace
