#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "core/base/disk.h"
#include "core/base/fault_guard.h"
#include "core/base/sole_file.h"
#include "core/base/unique_fd.h"

namespace millrace {
namespace {

constexpr uint64_t kBlockBytes = 4096;
constexpr size_t kPartsPerCall = 32;
constexpr uint64_t kExt4 = 0xEF53;  // of statfs(2)

template <typename Call>
auto RetryInterrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

Status LastError() { return Status::FromErrno(errno); }

class MappedMemory {
 public:
  MappedMemory(void* address, size_t length) : address_(address), length_(length) {}
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;
  ~MappedMemory() { ::munmap(address_, length_); }
  void* address() const { return address_; }
  size_t length() const { return length_; }

 private:
  void* const address_;
  const size_t length_;
};

class PosixMapping final : public Mapping {
 public:
  PosixMapping(void* address, size_t length, bool writable)
      : memory_(address, length), guard_(address, length, writable) {}
  std::byte* data() const override { return static_cast<std::byte*>(memory_.address()); }
  size_t size() const override { return memory_.length(); }
  bool damaged() const override { return guard_.damaged(); }

  Status Populate(uint64_t position, uint64_t length) override {
#ifdef MADV_POPULATE_WRITE
    const int failed =
        RetryInterrupted([&] { return ::madvise(data() + position, length, MADV_POPULATE_WRITE); });
    // A kernel before 5.14 does not know it; whoever writes then takes the faults.
    return failed == 0 || errno == EINVAL ? Status::Ok() : LastError();
#else
    (void)position;
    (void)length;
    return Status::Ok();
#endif
  }

  // Of a file's shared mapping this takes the entries of the page table, and no bytes.
  void Release(uint64_t position, uint64_t length) override {
    (void)::madvise(data() + position, length, MADV_DONTNEED);
  }

 private:
  MappedMemory memory_;
  GuardedRange guard_;  // goes before the memory: once unmapped, the address may be somebody else's
};

class PosixFile final : public File {
 public:
  PosixFile(UniqueFd fd, bool writable) : fd_(std::move(fd)), writable_(writable) {}

  Status WriteAt(uint64_t position, std::span<const std::byte> bytes) override {
    if (!writable_) return Status::FromErrno(EROFS);
    while (!bytes.empty()) {
      ssize_t written = RetryInterrupted([&] {
        return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
      });
      if (written < 0) return LastError();
      if (written == 0) return Status::FromErrno(EIO);
      position += static_cast<uint64_t>(written);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return Status::Ok();
  }

  // What one call leaves is written part by part.
  Status WritePartsAt(uint64_t position,
                      std::span<const std::span<const std::byte>> parts) override {
    if (!writable_) return Status::FromErrno(EROFS);
    std::array<iovec, kPartsPerCall> vectors;
    while (!parts.empty()) {
      const size_t count = std::min(parts.size(), kPartsPerCall);
      for (size_t i = 0; i < count; ++i)
        vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
      const ssize_t written = RetryInterrupted([&] {
        return ::pwritev(fd_.get(), vectors.data(), static_cast<int>(count),
                         static_cast<off_t>(position));
      });
      if (written < 0) return LastError();
      auto left = static_cast<size_t>(written);
      position += left;
      for (; !parts.empty() && left >= parts.front().size(); parts = parts.subspan(1))
        left -= parts.front().size();
      if (left == 0 && written > 0) continue;
      const std::span<const std::byte> rest = parts.front().subspan(left);
      if (Status status = WriteAt(position, rest); !status.ok()) return status;
      position += rest.size();
      parts = parts.subspan(1);
    }
    return Status::Ok();
  }

  Result<size_t> ReadAt(uint64_t position, std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      ssize_t got = RetryInterrupted([&] {
        return ::pread(fd_.get(), into.data() + done, into.size() - done,
                       static_cast<off_t>(position + done));
      });
      if (got < 0) return LastError();
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Result<size_t> ReadCached(uint64_t position, std::span<std::byte> into) override {
    if (into.empty()) return size_t{0};
    iovec part{into.data(), into.size()};
    const ssize_t got = RetryInterrupted(
        [&] { return ::preadv2(fd_.get(), &part, 1, static_cast<off_t>(position), RWF_NOWAIT); });
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN) return Status(Code::kWouldBlock);
    return errno == EOPNOTSUPP || errno == ENOSYS ? ReadAt(position, into) : LastError();
  }

  Status Allocate(uint64_t begin, uint64_t end) override {
    if (begin >= end) return Status::Ok();
    if (!writable_) return Status::FromErrno(EROFS);
    Result<uint64_t> old_size = Size();
    if (!old_size.ok()) return old_size.status();
    int failed = RetryInterrupted([&] {
      return ::fallocate(fd_.get(), 0, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
    });
    if (failed == 0) return Status::Ok();
    Status status = errno == EOPNOTSUPP || errno == ENOSYS
                        ? AllocateByWriting(begin, end, *old_size)
                        : LastError();
    if (status.ok()) return status;
    // Some file systems keep the part that fitted; give it back and report the first error whatever
    // this says.
    Result<uint64_t> new_size = Size();
    if (new_size.ok() && *new_size > *old_size) (void)Truncate(*old_size);
    return status;
  }

  Status Truncate(uint64_t size) override {
    if (!writable_) return Status::FromErrno(EROFS);
    int failed = RetryInterrupted([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); });
    return failed == 0 ? Status::Ok() : LastError();
  }

  // A write that goes past the page cache drops the page from it. It writes what is there already,
  // so that neither a power loss in its middle nor a file system that caches it all the same does
  // any harm.
  Result<bool> DetachPage(uint64_t position) override {
    const auto page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = position / page_bytes * page_bytes;
    Result<uint64_t> size = Size();
    if (!size.ok()) return size.status();
    if (begin >= *size) return true;
    struct Free {
      void operator()(std::byte* bytes) const { std::free(bytes); }
    };
    const std::unique_ptr<std::byte, Free> page(
        static_cast<std::byte*>(std::aligned_alloc(page_bytes, page_bytes)));
    if (page == nullptr) return Status(Code::kNoMemory);
    std::memset(page.get(), 0, page_bytes);
    Result<size_t> got = ReadAt(begin, {page.get(), page_bytes});
    if (!got.ok()) return got.status();

    const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
    const UniqueFd direct(
        RetryInterrupted([&] { return ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC); }));
    if (!direct.valid()) return false;
    const ssize_t written = RetryInterrupted(
        [&] { return ::pwrite(direct.get(), page.get(), page_bytes, static_cast<off_t>(begin)); });
    if (written < 0 && errno != EINVAL && errno != EOPNOTSUPP) return LastError();
    if (written != static_cast<ssize_t>(page_bytes)) return false;
    if (begin + page_bytes > *size) {
      if (Status status = Truncate(*size); !status.ok()) return status;
    }
    std::byte byte;
    iovec part{&byte, 1};
    return ::preadv2(fd_.get(), &part, 1, static_cast<off_t>(begin), RWF_NOWAIT) < 0 &&
           errno == EAGAIN;
  }

  Result<bool> Erase(uint64_t size) override {
    if (!writable_) return false;
    return EraseFile(fd_.get(), size);
  }

  bool OnlyOpenHere() override { return millrace::OnlyOpenHere(fd_.get()); }

  // Not repeated after EINTR: nothing says that what failed in the interrupted call would be
  // reported by the next.
  Status Sync() override { return ::fdatasync(fd_.get()) == 0 ? Status::Ok() : LastError(); }

  Status SyncMapped(Mapping& mapping, uint64_t position, uint64_t length) override {
    return ::msync(mapping.data() + position, length, MS_SYNC) == 0 ? Status::Ok() : LastError();
  }

  // Unlike fdatasync it neither commits the journal nor empties the device's cache; like it, it
  // reports an error of any write-back of the file since it was opened.
  Status WriteBack() override {
    constexpr unsigned kWriteAndWait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return ::sync_file_range(fd_.get(), 0, 0, kWriteAndWait) == 0 ? Status::Ok() : LastError();
  }

  void StartWriteBack(uint64_t position, uint64_t length) override {
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(position), static_cast<off_t>(length),
                            SYNC_FILE_RANGE_WRITE);
  }

  void DropCache() override { (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED); }

  void DropCacheRange(uint64_t position, uint64_t length) override {
    (void)::posix_fadvise(fd_.get(), static_cast<off_t>(position), static_cast<off_t>(length),
                          POSIX_FADV_DONTNEED);
  }

  Result<uint64_t> Size() override {
    Result<FileFacts> facts = Look();
    if (!facts.ok()) return facts.status();
    return facts->size;
  }

  // Asked for its times, as by fstat, a file gets new ones from its next write, of which a kernel
  // from 6.13 on has the journal take note: a log is looked at with each sync.
  Result<FileFacts> Look() override {
    struct statx some;
    if (::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_SIZE | STATX_NLINK, &some) == 0)
      return FileFacts{some.stx_size, some.stx_nlink > 0};
    struct stat facts;
    if (::fstat(fd_.get(), &facts) != 0) return LastError();
    return FileFacts{static_cast<uint64_t>(facts.st_size), facts.st_nlink > 0};
  }

  Result<int64_t> ModifiedMs() override {
    struct stat facts;
    if (::fstat(fd_.get(), &facts) != 0) return LastError();
    return int64_t{facts.st_mtim.tv_sec} * 1000 + facts.st_mtim.tv_nsec / 1'000'000;
  }

  Status SetModifiedMs(int64_t modified_ms) override {
    const int64_t seconds = modified_ms / 1000 - (modified_ms % 1000 < 0 ? 1 : 0);
    const auto nanoseconds = static_cast<long>((modified_ms - seconds * 1000) * 1'000'000);
    const timespec times[] = {{0, UTIME_OMIT}, {static_cast<time_t>(seconds), nanoseconds}};
    return ::futimens(fd_.get(), times) == 0 ? Status::Ok() : LastError();
  }

  Result<std::unique_ptr<Mapping>> Map(uint64_t length, bool writable) override {
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    void* address = ::mmap(nullptr, length, protection, MAP_SHARED, fd_.get(), 0);
    if (address == MAP_FAILED) return LastError();
    return std::unique_ptr<Mapping>(std::make_unique<PosixMapping>(address, length, writable));
  }

  bool writable() const override { return writable_; }
  int descriptor() const override { return fd_.get(); }

 private:
  // What fallocate does, for file systems without it: every block below the old end is written with
  // what it holds, so that holes get blocks, and everything above with zeros.
  Status AllocateByWriting(uint64_t begin, uint64_t end, uint64_t old_size) {
    uint64_t position = begin;
    for (; position < std::min(end, old_size);
         position = (position / kBlockBytes + 1) * kBlockBytes) {
      std::array<std::byte, 1> byte;
      Result<size_t> got = ReadAt(position, byte);
      if (!got.ok()) return got.status();
      if (Status status = WriteAt(position, byte); !status.ok()) return status;
    }
    static constexpr std::array<std::byte, 64 * 1024> kZeros{};
    for (position = std::max(begin, old_size); position < end;) {
      size_t length = static_cast<size_t>(std::min<uint64_t>(end - position, kZeros.size()));
      if (Status status = WriteAt(position, std::span(kZeros).first(length)); !status.ok())
        return status;
      position += length;
    }
    return Status::Ok();
  }

  const UniqueFd fd_;
  const bool writable_;
};

// The descriptor stays open, since syncfs(2) reports the errors since it was opened.
class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(UniqueFd fd)
      : fd_(std::move(fd)), shares_flushes_(SharesFlushes(fd_.get())) {}
  Status Sync() override { return ::syncfs(fd_.get()) == 0 ? Status::Ok() : LastError(); }
  bool Holds(const std::string& directory) const override {
    struct stat mine, its;
    return ::fstat(fd_.get(), &mine) == 0 && ::stat(directory.c_str(), &its) == 0 &&
           mine.st_dev == its.st_dev;
  }
  bool shares_flushes() const override { return shares_flushes_; }

 private:
  // ext4 writes over a block where it lies, and ends each fdatasync with a flush of the device's
  // cache, by itself or by a commit of the journal. xfs does, but for a file that somebody has
  // cloned meanwhile: a block that is shared is written elsewhere, and only the log says where. Of
  // smaller blocks Segment would take some for written that are not.
  static bool SharesFlushes(int fd) {
    struct statfs facts;
    if (::fstatfs(fd, &facts) != 0) return false;
    const auto type = static_cast<uint64_t>(facts.f_type);
    return type == kExt4 && static_cast<uint64_t>(facts.f_bsize) >= kBlockBytes;
  }

  const UniqueFd fd_;
  const bool shares_flushes_;
};

class PosixDiskImplementation final : public Disk {
 public:
  Result<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
      case OpenMode::kCreateOrOpen:
        flags |= O_RDWR | O_CREAT;
        break;
    }
    UniqueFd fd(RetryInterrupted([&] { return ::open(path.c_str(), flags, 0666); }));
    const bool refused = !fd.valid() && (errno == EROFS || errno == EACCES || errno == EPERM);
    bool writable = mode != OpenMode::kRead;
    if (refused && (mode == OpenMode::kReadWrite || mode == OpenMode::kCreateOrOpen)) {
      writable = false;
      const int reason = errno;
      fd = UniqueFd(RetryInterrupted([&] { return ::open(path.c_str(), O_CLOEXEC | O_RDONLY); }));
      if (!fd.valid()) return Status::FromErrno(reason);
    }
    if (!fd.valid()) return LastError();
    return std::shared_ptr<File>(std::make_shared<PosixFile>(std::move(fd), writable));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status::Ok() : LastError();
  }
  Status Unlink(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status::Ok() : LastError();
  }
  Status MakeDirectory(const std::string& path) override {
    return ::mkdir(path.c_str(), 0777) == 0 ? Status::Ok() : LastError();
  }
  Status RemoveDirectory(const std::string& path) override {
    return ::rmdir(path.c_str()) == 0 ? Status::Ok() : LastError();
  }

  Result<std::vector<std::string>> List(const std::string& directory) override {
    struct Closer {
      void operator()(DIR* stream) const { ::closedir(stream); }
    };
    UniqueFd fd(OpenDirectory(directory));
    if (!fd.valid()) return LastError();
    std::unique_ptr<DIR, Closer> stream(::fdopendir(fd.get()));
    if (stream == nullptr) return LastError();
    (void)fd.Release();  // the stream owns it now
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr && errno != 0) return LastError();
      if (entry == nullptr) return names;
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
        names.emplace_back(entry->d_name);
    }
  }

  Status SyncDirectory(const std::string& directory) override {
    UniqueFd fd(OpenDirectory(directory));
    if (!fd.valid()) return LastError();
    return ::fsync(fd.get()) == 0 ? Status::Ok() : LastError();
  }

  Result<std::shared_ptr<FileSystem>> OpenFileSystem(const std::string& directory) override {
    UniqueFd fd(OpenDirectory(directory));
    if (!fd.valid()) return LastError();
    return std::shared_ptr<FileSystem>(std::make_shared<PosixFileSystem>(std::move(fd)));
  }

  Result<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs facts;
    if (RetryInterrupted([&] { return ::statvfs(path.c_str(), &facts); }) != 0) return LastError();
    return static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
  }

 private:
  static int OpenDirectory(const std::string& directory) {
    return RetryInterrupted(
        [&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  }
};

}  // namespace

Disk& PosixDisk() {
  static PosixDiskImplementation disk;
  return disk;
}

}  // namespace millrace
