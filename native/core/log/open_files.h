#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/disk.h"

namespace millrace {

class CachedFile;

// The bounded set of files that are open although nobody holds them, least recently used first to
// go. Shared by all logs of a process, so that any number of idle partitions fits into
// RLIMIT_NOFILE. Files that somebody holds (the active segment, regions, a flush) stay open
// whatever the bound is. Any thread.
class OpenFiles {
 public:
  explicit OpenFiles(size_t capacity) : capacity_(capacity) {}
  void SetCapacity(size_t capacity);
  // Closes what nobody else holds: the process ran out of descriptors.
  void CloseIdle();
  size_t size() const;

 private:
  friend class CachedFile;
  using List = std::list<std::shared_ptr<File>>;

  // Closes what exceeds the bound. The files are moved to `closing`, to be closed without the lock.
  void TrimTo(size_t capacity, List* closing);

  mutable std::mutex mutex_;
  std::list<CachedFile*>
      used_;  // front: latest. Guarded by mutex_, like the next and every CachedFile's own state.
  size_t capacity_;
};

// The name of a file together with the open file, if it happens to be open. Any thread.
class CachedFile {
 public:
  CachedFile(OpenFiles& cache, Disk& disk, std::string path)
      : cache_(cache), disk_(disk), path_(std::move(path)) {}
  ~CachedFile() { Forget(); }
  CachedFile(const CachedFile&) = delete;
  CachedFile& operator=(const CachedFile&) = delete;

  // The open file, opened (for reading and writing) if it is not.
  Result<std::shared_ptr<File>> Acquire();
  // The same if it is open; else kWouldBlock, since opening may read from the disk.
  Result<std::shared_ptr<File>> AcquireOpen();
  // The open file, an empty one created where there is none.
  Result<std::shared_ptr<File>> AcquireOrCreate();
  // Takes in a file that was opened elsewhere.
  void Adopt(const std::shared_ptr<File>& file);
  // The cache lets go of the file; holders keep it.
  void Forget();
  // The same for good, since the path is about to stand for another file: nobody who comes when
  // this has returned, or was about to open it before, gets the one or the other (kNotFound). From
  // then on holders are only those who hold it already. Returns the file if it was open.
  std::shared_ptr<File> Retire();
  const std::string& path() const { return path_; }

 private:
  friend class OpenFiles;
  Result<std::shared_ptr<File>> AcquireAs(OpenMode mode);
  bool TakeIn(const std::shared_ptr<File>& file);  // false: retired
  std::shared_ptr<File> FindOpen();                // null: not open

  OpenFiles& cache_;
  Disk& disk_;
  const std::string path_;
  // Guarded by cache_.mutex_. held_ is set exactly while place_ is in the cache's list; open_ finds
  // a file that holders still have although the cache let go of it, so that one path never has two
  // descriptors.
  std::shared_ptr<File> held_;
  std::weak_ptr<File> open_;
  std::list<CachedFile*>::iterator place_;
  bool retired_ = false;
};

}  // namespace millrace
