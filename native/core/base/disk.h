#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace millrace {

// A mapping of a prefix of a file; unmapped when destroyed. The file may be closed before it.
class Mapping {
 public:
  virtual ~Mapping() = default;
  virtual std::byte* data() const = 0;
  virtual size_t size() const = 0;
  // True once a page of the mapping could not be had (the file was cut by somebody else, the device
  // failed) and reads as zeros instead: copy first, then check, then publish. Any thread.
  virtual bool damaged() const = 0;
  // Makes pages of a writable mapping ready to be written without a fault. What cannot be had is an
  // error here, and never a signal. Pages of a file that ends before them cannot. Any thread.
  virtual Status Populate(uint64_t /*position*/, uint64_t /*length*/) { return Status::Ok(); }
  // Whole pages that are written no more are let go of before they are written back: page by page,
  // write-back would interrupt every processor to take the right to write from this mapping. They
  // may be read, and written, as before. Any thread.
  virtual void Release(uint64_t /*position*/, uint64_t /*length*/) {}
};

// What a file looks like from the outside.
struct FileFacts {
  uint64_t size = 0;
  bool named = true;  // some directory still has a name for it
};

// One open file. Any thread may call any method; the file closes when the last owner lets go.
// WriteAt and ReadAt deal with short transfers and EINTR themselves.
class File {
 public:
  virtual ~File() = default;
  // All of `bytes` or an error; after an error any prefix may have been written.
  virtual Status WriteAt(uint64_t position, std::span<const std::byte> bytes) = 0;
  // The same for bytes that lie in several places, to follow each other in the file.
  virtual Status WritePartsAt(uint64_t position,
                              std::span<const std::span<const std::byte>> parts) {
    for (const std::span<const std::byte> part : parts) {
      if (Status status = WriteAt(position, part); !status.ok()) return status;
      position += part.size();
    }
    return Status::Ok();
  }
  // Reads up to `into.size()` bytes; fewer only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t position, std::span<std::byte> into) = 0;
  // Reads what lies in the page cache and waits for no disk: as ReadAt, but it may also end before
  // a byte that would have to be fetched, and is kWouldBlock when that is the first. Where a file
  // system cannot tell, it reads.
  virtual Result<size_t> ReadCached(uint64_t position, std::span<std::byte> into) {
    return ReadAt(position, into);
  }
  // Makes [0, end) backed by disk blocks and the file at least `end` long, so that writes and
  // mapped reads below `end` can fail neither with ENOSPC nor with SIGBUS. New bytes read as zero,
  // bytes below the old end are kept, and on failure the size is what it was. Nobody else may
  // change the file meanwhile.
  virtual Status Allocate(uint64_t begin, uint64_t end) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Before bytes behind `position` are cut off or written anew: takes the page that `position` lies
  // in out of the page cache, so that what sendfile(2) has put of it into sockets' queues, which
  // refer to the page, stays what it was. The content of the file does not change. False where that
  // cannot be had, and then only a new file may take this one's place. Nobody else may change the
  // file meanwhile. Files without a descriptor() have nothing to detach.
  virtual Result<bool> DetachPage(uint64_t /*position*/) { return true; }
  // Makes the file `size` long and all of its bytes zeros, keeping its blocks; for certain once it
  // is synced. What sockets' queues refer to stays what it was. False, and nothing has changed:
  // somebody else has the file, in this process or another, or it would cost as much as writing
  // them. An error: any of its bytes may be gone. No name may lead others to the file meanwhile.
  virtual Result<bool> Erase(uint64_t /*size*/) { return false; }
  // Nobody else has the file, in this process or another; false where that cannot be told.
  virtual bool OnlyOpenHere() { return true; }
  // fdatasync: on success all bytes written before the call, and the size, are on the disk. A
  // failure is final: the kernel may have marked the pages clean, so the caller must never sync
  // again and believe it.
  virtual Status Sync() = 0;
  // The same for the bytes of a range that were written through `mapping`, a mapping of this file:
  // other dirty pages need not be written.
  virtual Status SyncMapped(Mapping& /*mapping*/, uint64_t /*position*/, uint64_t /*length*/) {
    return Sync();
  }
  // All bytes written before the call have left for the device, and no write of them has failed as
  // far as this descriptor can tell; they may lie in the device's cache, and the size and the
  // file's place on the disk be lost with the power. FileSystem::Sync makes up for that. As final
  // as Sync.
  virtual Status WriteBack() { return Sync(); }
  // Begins write-back of a range without waiting (sync_file_range); a hint, errors show up in Sync.
  virtual void StartWriteBack(uint64_t position, uint64_t length) = 0;
  // Makes the next reads come from the device, where the page cache is clean. After a failed sync
  // the kernel may call pages clean that never got there, and would serve them to whoever verifies.
  virtual void DropCache() = 0;
  // A hint: nobody needs this range in the page cache, where it is clean.
  virtual void DropCacheRange(uint64_t /*position*/, uint64_t /*length*/) {}
  virtual Result<uint64_t> Size() = 0;
  // Tells whether somebody else has cut or removed the file.
  virtual Result<FileFacts> Look() {
    Result<uint64_t> size = Size();
    if (!size.ok()) return size.status();
    return FileFacts{*size, true};
  }
  // When its content last changed, in milliseconds since the epoch.
  virtual Result<int64_t> ModifiedMs() = 0;
  virtual Status SetModifiedMs(int64_t modified_ms) = 0;
  virtual Result<std::unique_ptr<Mapping>> Map(uint64_t length, bool writable) = 0;
  // False for a file that was to be written and could only be opened for reading.
  virtual bool writable() const { return true; }
  // The descriptor for sendfile(2), or -1 where there is none (simulated disks).
  virtual int descriptor() const = 0;
};

// A file system, held open. Any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Everything that was written to any of its files before the call, sizes and names included, is
  // on the disk. An error says that something on it may not be, whose ever it is: success is to be
  // believed, an error only makes the caller ask file by file.
  virtual Status Sync() = 0;
  // Whether `directory` lies on it: another may be mounted there, or a link lead to another.
  virtual bool Holds(const std::string& /*directory*/) const { return true; }
  // Whether a file's Sync empties the device's cache of what its other files have written back,
  // too. What a file's WriteBack wrote into blocks that a Sync of it has found there is then made
  // durable by a later Sync of any other.
  virtual bool shares_flushes() const { return false; }
};

enum class OpenMode { kRead, kReadWrite, kCreateNew, kCreateOrOpen };

// Everything native code does to a file system goes through here, so that tests can lose, tear and
// reorder it. Paths are absolute or relative to the process; directory operations are durable only
// after SyncDirectory. A file that may only be read, because of its rights or because its file
// system takes no writes any more, opens all the same, and then refuses to be written.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Unlink(const std::string& path) = 0;
  virtual Status MakeDirectory(const std::string& path) = 0;  // kExists when it is there already
  virtual Status RemoveDirectory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> List(
      const std::string& directory) = 0;  // names, unsorted
  virtual Status SyncDirectory(const std::string& directory) = 0;
  // The file system that holds `directory`; null where all of it cannot be synced at once.
  virtual Result<std::shared_ptr<FileSystem>> OpenFileSystem(const std::string& /*directory*/) {
    return std::shared_ptr<FileSystem>();
  }
  // Bytes an unprivileged writer could still use on the file system that holds `path`.
  virtual Result<uint64_t> FreeBytes(const std::string& path) = 0;
};

// The real one: stateless, lives as long as the process.
Disk& PosixDisk();

}  // namespace millrace
