#pragma once

#include <cstddef>
#include <utility>

#include "core/base/status.h"

namespace millrace {

// Owns zero-filled memory that takes pages only where it is touched. Not thread-safe.
class AnonymousMapping {
 public:
  static Result<AnonymousMapping> Create(size_t bytes);  // rounded up to whole pages

  AnonymousMapping() = default;
  AnonymousMapping(AnonymousMapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AnonymousMapping& operator=(AnonymousMapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AnonymousMapping(const AnonymousMapping&) = delete;
  AnonymousMapping& operator=(const AnonymousMapping&) = delete;
  ~AnonymousMapping();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // Asks for pages of 2 MB: whoever touches one byte takes all of such a page.
  void PreferHugePages();
  // Gives the pages of the first `length` bytes back to the kernel; they read as zeros afterwards.
  void GiveBackPages(size_t length);

 private:
  AnonymousMapping(std::byte* data, size_t size) : data_(data), size_(size) {}

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The size of a page of memory, and of the page cache.
size_t PageBytes();
inline size_t RoundUpToPages(size_t bytes) {
  const size_t page = PageBytes();
  return (bytes + page - 1) & ~(page - 1);
}

}  // namespace millrace
