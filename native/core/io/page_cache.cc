#include "core/io/page_cache.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "core/io/anonymous_mapping.h"

namespace millrace {
namespace {

// cachestat(2), since Linux 6.5; neither its number nor its types are in older headers.
constexpr long kCachestatCall = 451;
struct CachestatRange {
  uint64_t offset;
  uint64_t length;
};
struct Cachestat {
  uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

// Older kernels, and files cachestat refuses: the ends stand for what lies between. Where a file
// system cannot tell, the answer is no, and the caller takes the way that may wait.
bool EndsInPageCache(int fd, uint64_t position, uint64_t length) {
  for (const uint64_t at : {position, position + length - 1}) {
    char byte;
    iovec into{&byte, 1};
    if (preadv2(fd, &into, 1, static_cast<off_t>(at), RWF_NOWAIT) != 1) return false;
  }
  return true;
}

}  // namespace

bool InPageCache(int fd, uint64_t position, uint64_t length) {
  if (length == 0) return true;
  static std::atomic<bool> has_cachestat{true};
  if (has_cachestat.load(std::memory_order_relaxed)) {
    CachestatRange range{position, length};
    Cachestat counts{};
    if (syscall(kCachestatCall, fd, &range, &counts, 0) == 0) {
      const uint64_t page = PageBytes();
      const uint64_t pages = (position + length - 1) / page - position / page + 1;
      return counts.cached >= pages;
    }
    if (errno == ENOSYS) has_cachestat.store(false, std::memory_order_relaxed);
  }
  return EndsInPageCache(fd, position, length);
}

void ReadAhead(int fd, uint64_t position, uint64_t length) {
  // One call reads no more than the device's readahead window, whatever it is asked for.
  constexpr uint64_t kStepBytes = 128u << 10;
  for (uint64_t done = 0; done < length; done += kStepBytes) {
    (void)posix_fadvise(fd, static_cast<off_t>(position + done),
                        static_cast<off_t>(std::min(kStepBytes, length - done)),
                        POSIX_FADV_WILLNEED);
  }
}

}  // namespace millrace
