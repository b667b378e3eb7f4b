#include "core/base/read_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace millrace {
namespace {

Result<bool> TryLock(int descriptor, int kind) {
  int failed;
  do {
    failed = ::flock(descriptor, kind | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return Status::FromErrno(errno);
}

}  // namespace

Result<bool> TryLockShared(int descriptor) { return TryLock(descriptor, LOCK_SH); }

Result<bool> TryLockExclusive(int descriptor) { return TryLock(descriptor, LOCK_EX); }

void ReleaseLock(int descriptor) { (void)::flock(descriptor, LOCK_UN); }

}  // namespace millrace
