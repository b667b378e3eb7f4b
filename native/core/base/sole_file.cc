#include "core/base/sole_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/base/read_lock.h"

namespace millrace {
namespace {

constexpr long kXfsMagic = 0x58465342;  // of which no header tells

// Where zeroing a range only changes what the file system notes about it.
bool OnKnownFileSystem(int descriptor) {
  struct statfs facts;
  if (::fstatfs(descriptor, &facts) != 0) return false;
  return facts.f_type == EXT4_SUPER_MAGIC || facts.f_type == kXfsMagic;
}

class ExclusiveLock {
 public:
  explicit ExclusiveLock(int descriptor) : descriptor_(descriptor) {
    const Result<bool> locked = TryLockExclusive(descriptor);
    held_ = locked.ok() && *locked;
  }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;
  ~ExclusiveLock() {
    if (held_) ReleaseLock(descriptor_);
  }
  bool held() const { return held_; }

 private:
  const int descriptor_;
  bool held_;
};

}  // namespace

// The kernel grants a lease for writing to nobody else than the only one. It is given back at once;
// of somebody who opens the file in between a signal tells, which by default would end the process,
// and so is one that by default does nothing.
bool OnlyOpenHere(int descriptor) {
  if (::fcntl(descriptor, F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(descriptor, F_SETLEASE, F_WRLCK) != 0) return false;
  return ::fcntl(descriptor, F_SETLEASE, F_UNLCK) == 0;
}

Result<bool> EraseFile(int descriptor, uint64_t size) {
  if (!OnKnownFileSystem(descriptor)) return false;
  const ExclusiveLock lock(descriptor);
  if (!lock.held() || !OnlyOpenHere(descriptor)) return false;
  struct stat facts;
  if (::fstat(descriptor, &facts) != 0) return Status::FromErrno(errno);
  if (facts.st_nlink > 1) return false;
  int failed;
  do {
    failed = ::fallocate(descriptor, FALLOC_FL_ZERO_RANGE, 0, static_cast<off_t>(size));
  } while (failed != 0 && errno == EINTR);
  // An old file system may know the call and not have what it takes.
  if (failed != 0 && (errno == EOPNOTSUPP || errno == EINVAL)) return false;
  if (failed != 0) return Status::FromErrno(errno);
  if (static_cast<uint64_t>(facts.st_size) > size &&
      ::ftruncate(descriptor, static_cast<off_t>(size)) != 0) {
    return Status::FromErrno(errno);
  }
  return true;
}

}  // namespace millrace
