#include "core/io/anonymous_mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/io/poison.h"

namespace millrace {

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

Result<AnonymousMapping> AnonymousMapping::Create(size_t bytes) {
  const size_t size = RoundUpToPages(bytes);
  // MAP_NORESERVE: address space is taken generously, pages are bounded by the frame budget.
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return Status::FromErrno(errno);
  return AnonymousMapping(static_cast<std::byte*>(data), size);
}

AnonymousMapping::~AnonymousMapping() {
  if (data_ == nullptr) return;
  Unpoison(data_, size_);  // the addresses may be somebody else's next
  munmap(data_, size_);
}

void AnonymousMapping::PreferHugePages() {
  // A kernel without them gives small ones.
  (void)madvise(data_, size_, MADV_HUGEPAGE);
}

void AnonymousMapping::GiveBackPages(size_t length) {
  const size_t pages = std::min(RoundUpToPages(length), size_);
  // A refusal costs memory, nothing else.
  if (pages > 0) (void)madvise(data_, pages, MADV_DONTNEED);
}

}  // namespace millrace
