#include "core/embedded/lent_range.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

namespace millrace {
namespace {

constexpr size_t kSmallestRange = 64 << 10;

// MAP_NORESERVE: a private mapping that may be written to counts as memory that might be needed,
// and a large log would be refused for it.
constexpr int kZeros = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr int kFile = MAP_PRIVATE | MAP_NORESERVE;

bool CoverByZeros(void* data, size_t bytes) {
  return ::mmap(data, bytes, PROT_READ | PROT_WRITE, kZeros | MAP_FIXED, -1, 0) != MAP_FAILED;
}

struct Guarded {
  std::byte* data;
  GuardedRange* guard;  // is never destroyed
};

// Addresses that nobody was lent anew, covered by zeros. Any thread.
class Addresses {
 public:
  static Addresses& Instance() {
    // Never destroyed: ranges of a thread may outlive static destruction.
    static Addresses* const addresses = std::make_unique<Addresses>().release();
    return *addresses;
  }

  Result<Guarded> Take(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      std::deque<Guarded>& free = FreeOf(bytes);
      if (!free.empty()) {
        const Guarded taken = free.front();
        free.pop_front();
        return taken;
      }
    }
    void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kZeros, -1, 0);
    if (data == MAP_FAILED) return Status::FromErrno(errno);
    return Guarded{static_cast<std::byte*>(data),
                   std::make_unique<GuardedRange>(data, bytes, true).release()};
  }

  void Return(Guarded range, size_t bytes) {
    std::lock_guard lock(mutex_);
    FreeOf(bytes).push_back(range);
  }

 private:
  std::deque<Guarded>& FreeOf(size_t bytes) {
    return free_[static_cast<size_t>(std::countr_zero(bytes))];
  }

  std::mutex mutex_;
  std::array<std::deque<Guarded>, 64> free_;  // guarded by mutex_; by the logarithm of the size
};

Status MapOver(std::byte* data, size_t length, int descriptor) {
  void* const mapped =
      ::mmap(data, length, PROT_READ | PROT_WRITE, kFile | MAP_FIXED, descriptor, 0);
  return mapped == MAP_FAILED ? Status::FromErrno(errno) : Status::Ok();
}

}  // namespace

Result<LentRange> LentRange::Map(int descriptor, size_t length) {
  if (length > (size_t{1} << 46)) return Status(Code::kInvalidArgument);
  const size_t reserved = std::bit_ceil(std::max(length, kSmallestRange));
  const Result<Guarded> taken = Addresses::Instance().Take(reserved);
  if (!taken.ok()) return taken.status();
  LentRange range(taken->data, taken->guard, length, reserved);
  if (Status status = range.MapAnew(descriptor); !status.ok()) return status;
  return range;
}

LentRange::LentRange(LentRange&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      guard_(other.guard_),
      length_(other.length_),
      reserved_(other.reserved_) {}

LentRange::~LentRange() {
  if (data_ == nullptr) return;
  // Without memory for the kernel's own list of mappings the file stays where it is.
  if (CoverByZeros(data_, reserved_)) Addresses::Instance().Return({data_, guard_}, reserved_);
}

// An access that failed before may be mended behind the file's back: that page then counts as lost
// until the range is mapped anew again.
Status LentRange::MapAnew(int descriptor) {
  guard_->Rearm();
  return MapOver(data_, length_, descriptor);
}

}  // namespace millrace
