#include "core/base/thread_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace millrace {
namespace {

constexpr int kNice = 10;
// ioprio_set(2), which the C library does not have: the lowest of the "best effort" class, so that
// a disk that is never idle does not starve us.
constexpr int kWhoProcess = 1;
constexpr int kLowestBestEffort = 2 << 13 | 7;

// On Linux a process id names one thread here; 0 is the calling one.
constexpr int kThisThread = 0;

}  // namespace

LowPriority::LowPriority() {
  errno = 0;
  nice_ = getpriority(PRIO_PROCESS, kThisThread);
  if (errno != 0) nice_ = kNice;
  if (nice_ < kNice) (void)setpriority(PRIO_PROCESS, kThisThread, kNice);
  io_priority_ = static_cast<int>(syscall(SYS_ioprio_get, kWhoProcess, kThisThread));
  (void)syscall(SYS_ioprio_set, kWhoProcess, kThisThread, kLowestBestEffort);
}

LowPriority::~LowPriority() {
  if (nice_ < kNice) (void)setpriority(PRIO_PROCESS, kThisThread, nice_);
  if (io_priority_ >= 0) (void)syscall(SYS_ioprio_set, kWhoProcess, kThisThread, io_priority_);
}

}  // namespace millrace
