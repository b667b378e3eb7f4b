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

// Addresses that nobody was lent anew, covered by zeros. Any thread.
class Addresses {
 public:
  static Addresses& Instance() {
    // Never destroyed: ranges of a thread may outlive static destruction.
    static Addresses* const addresses = std::make_unique<Addresses>().release();
    return *addresses;
  }

  Result<std::byte*> Take(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      std::deque<std::byte*>& free = FreeOf(bytes);
      if (!free.empty()) {
        std::byte* const data = free.front();
        free.pop_front();
        return data;
      }
    }
    void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kZeros, -1, 0);
    if (data == MAP_FAILED) return Status::FromErrno(errno);
    return static_cast<std::byte*>(data);
  }

  void Return(std::byte* data, size_t bytes) {
    std::lock_guard lock(mutex_);
    FreeOf(bytes).push_back(data);
  }

 private:
  std::deque<std::byte*>& FreeOf(size_t bytes) {
    return free_[static_cast<size_t>(std::countr_zero(bytes))];
  }

  std::mutex mutex_;
  std::array<std::deque<std::byte*>, 64> free_;  // guarded by mutex_; by the logarithm of the size
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
  Result<std::byte*> data = Addresses::Instance().Take(reserved);
  if (!data.ok()) return data.status();
  // Guarded before a page of the file can be touched: whoever kept an address may do so at once.
  LentRange range(*data, length, reserved);
  if (Status status = MapOver(*data, length, descriptor); !status.ok()) return status;
  return range;
}

LentRange::LentRange(std::byte* data, size_t length, size_t reserved)
    : data_(data),
      length_(length),
      reserved_(reserved),
      guard_(std::make_unique<GuardedRange>(data, length, true).release()) {}

LentRange::LentRange(LentRange&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      length_(other.length_),
      reserved_(other.reserved_),
      guard_(std::exchange(other.guard_, nullptr)) {}

LentRange::~LentRange() {
  if (data_ == nullptr) return;
  // Without memory for the kernel's own list of mappings the file stays where it is, and guarded.
  if (!CoverByZeros(data_, reserved_)) return;
  delete guard_;
  Addresses::Instance().Return(data_, reserved_);
}

Status LentRange::MapAnew(int descriptor) {
  guard_->Rearm();
  return MapOver(data_, length_, descriptor);
}

}  // namespace millrace
