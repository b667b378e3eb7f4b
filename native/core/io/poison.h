#pragma once

#include <cstddef>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define MILLRACE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MILLRACE_ASAN 1
#endif
#endif

#ifdef MILLRACE_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace millrace {

// AddressSanitizer reports whoever touches the range from now on.
inline void Poison([[maybe_unused]] std::byte* bytes, [[maybe_unused]] size_t length) {
#ifdef MILLRACE_ASAN
  __asan_poison_memory_region(bytes, length);
#endif
}

inline void Unpoison([[maybe_unused]] std::byte* bytes, [[maybe_unused]] size_t length) {
#ifdef MILLRACE_ASAN
  __asan_unpoison_memory_region(bytes, length);
#endif
}

// What was released and is still used should be seen: debug builds (MILLRACE_DEBUG) overwrite it.
inline void PoisonReleased(std::byte* bytes, size_t length) {
#ifdef MILLRACE_DEBUG
  Unpoison(bytes, length);
  std::memset(bytes, 0xDD, length);
#endif
  Poison(bytes, length);
}

}  // namespace millrace
