#pragma once

#include <cstddef>

namespace millrace {

// Turns a SIGBUS inside a mapping of ours into a flag. A mapped page faults with SIGBUS when the
// file was truncated by somebody else or the device cannot deliver it; by default that ends the
// process. While a GuardedRange covers the mapping, the first touch of such a page reads as zeros
// and `damaged()` is true from then on, so code that copies out of a mapping copies first, then
// checks, then publishes.
//
// The handler chains: faults outside every registered range go to whoever handled SIGBUS before. It
// is installed with the first range and stays.
class GuardedRange {
 public:
  // [begin, begin + length) is a live mapping, page-aligned, and stays mapped for the life of this
  // object. Any thread.
  GuardedRange(void* begin, size_t length, bool writable);
  ~GuardedRange();
  GuardedRange(const GuardedRange&) = delete;
  GuardedRange& operator=(const GuardedRange&) = delete;

  bool damaged() const;  // any thread

 private:
  struct Slot;
  friend class FaultRegistry;
  Slot* slot_;  // one of the registry's, which are never freed
};

}  // namespace millrace
