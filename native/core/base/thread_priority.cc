#include "core/base/thread_priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace millrace {
namespace {

constexpr int kNice = 10;
constexpr uint64_t kShortSliceNanos = 100'000;  // the least that the kernel grants
// ioprio_set(2), which the C library does not have: the lowest of the "best effort" class, so that
// a disk that is never idle does not starve us.
constexpr int kWhoProcess = 1;
constexpr int kLowestBestEffort = 2 << 13 | 7;

// On Linux a process id names one thread here; 0 is the calling one.
constexpr int kThisThread = 0;

// sched_setattr(2): neither the call nor its type is in older C libraries.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_nanos;  // of a normal thread: its slice, since Linux 6.12
  uint64_t deadline_nanos;
  uint64_t period_nanos;
};

// 0: the kernel's own. An older kernel takes the call and does nothing with it.
void SetSlice(uint64_t nanos) {
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, kThisThread);
  if (errno != 0 || sched_getscheduler(kThisThread) != SCHED_OTHER) return;
  SchedulingAttributes wanted{};
  wanted.size = sizeof wanted;
  wanted.policy = SCHED_OTHER;
  wanted.nice = nice;
  wanted.runtime_nanos = nanos;
  (void)syscall(SYS_sched_setattr, kThisThread, &wanted, 0);
}

}  // namespace

void TakeShortSlices() { SetSlice(kShortSliceNanos); }

LowPriority::LowPriority() {
  errno = 0;
  nice_ = getpriority(PRIO_PROCESS, kThisThread);
  if (errno != 0) nice_ = kNice;
  if (nice_ < kNice) (void)setpriority(PRIO_PROCESS, kThisThread, kNice);
  TakeShortSlices();
  io_priority_ = static_cast<int>(syscall(SYS_ioprio_get, kWhoProcess, kThisThread));
  (void)syscall(SYS_ioprio_set, kWhoProcess, kThisThread, kLowestBestEffort);
}

LowPriority::~LowPriority() {
  SetSlice(0);
  if (nice_ < kNice) (void)setpriority(PRIO_PROCESS, kThisThread, nice_);
  if (io_priority_ >= 0) (void)syscall(SYS_ioprio_set, kWhoProcess, kThisThread, io_priority_);
}

}  // namespace millrace
