#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/disk.h"

namespace millrace {

// How a lookup may read: the decision thread takes only what lies in the page cache and is told
// kWouldBlock otherwise; threads that may wait for the disk wait.
enum class ReadMode { kWait, kCachedOnly };

// Reads at least `least` bytes of the `into.size()` that are welcome; fewer only at the file's end.
inline Result<size_t> ReadAtLeast(File& file, ReadMode mode, uint64_t position, size_t least,
                                  std::span<std::byte> into) {
  if (mode == ReadMode::kWait) return file.ReadAt(position, into);
  size_t done = 0;
  while (done < least) {
    Result<size_t> got = file.ReadCached(position + done, into.subspan(done));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    done += *got;
  }
  return done;
}

}  // namespace millrace
