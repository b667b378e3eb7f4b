#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace {

// Sixteen bytes that stand for a key.
struct KeyHash {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const KeyHash&) const = default;
};

// SipHash-2-4 with 128 bits of output, keyed by a seed that nobody outside knows. The cleaner takes
// keys with the same hash for the same key, so two that collide would lose a record. Among n keys
// that happens with a chance of about n²/2^129: for a billion keys 10^-21, below that of an
// undetected error of memory or disk; and since the seed is secret and new with each pass, keys
// cannot be chosen to collide, and no pair collides twice.
struct HashSeed {
  uint64_t first = 0;
  uint64_t second = 0;
};

KeyHash HashKey(const HashSeed& seed, std::span<const std::byte> key);

}  // namespace millrace
