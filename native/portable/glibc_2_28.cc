// What the prebuilt addon brings along so that it loads with glibc 2.28 (Debian 10, RHEL 8, and all
// that Node 20 itself runs on), though it is linked where glibc is newer: functions that libstdc++
// and libgcc ask of a newer one. They are this library's own, seen by nobody else.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

int64_t Nanos(const timespec& time) { return time.tv_sec * kNanosPerSecond + time.tv_nsec; }

timespec Now(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now;
}

}  // namespace

extern "C" {

// glibc 2.32. libstdc++ leaves out atomic operations where it is set: they are never left out.
char __libc_single_threaded = 0;

// glibc 2.30. Where the process has it, that one; else the deadline is moved to the wall clock, as
// libstdc++ itself did then: a clock that is set makes the wait longer or shorter.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* deadline) {
  using ClockWait = int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static const auto system =
      reinterpret_cast<ClockWait>(dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  if (system != nullptr) return system(condition, mutex, clock, deadline);
  int64_t wall = Nanos(Now(CLOCK_REALTIME)) + Nanos(*deadline) - Nanos(Now(clock));
  if (wall < 0) wall = 0;
  const timespec moved{.tv_sec = wall / kNanosPerSecond, .tv_nsec = wall % kNanosPerSecond};
  return pthread_cond_timedwait(condition, mutex, &moved);
}

// glibc 2.33; macros over other functions before. The kernel's structure is the one they fill.
int fstat64(int descriptor, struct stat64* status) {
  return static_cast<int>(syscall(SYS_fstat, descriptor, status));
}
int stat64(const char* path, struct stat64* status) {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, 0));
}
int lstat64(const char* path, struct stat64* status) {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW));
}

// glibc 2.36, for std::random_device, which comes with libstdc++ and which nobody here uses.
uint32_t arc4random() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) abort();
  return number;
}

// glibc 2.35, for libgcc's unwinder. Nothing here throws: whoever looks for a handler finds none.
int FindNoObject(void*, void*) __asm__("_dl_find_object");
int FindNoObject(void*, void*) { return -1; }

}  // extern "C"
