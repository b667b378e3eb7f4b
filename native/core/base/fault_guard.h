#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

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
  // The page that was lost last, from the beginning of the range; of use while damaged(). Any
  // thread.
  size_t last_damage() const;
  // Before the range is mapped anew, over whatever took the place of lost pages: what could not be
  // had is found out again.
  void Rearm();

 private:
  struct Slot;
  friend class FaultRegistry;
  Slot* slot_;  // one of the registry's, which are never freed
};

// How many lost pages were replaced in this process so far, modulo 2^32; it lies there as long as
// the process. Who reads mapped memory without asking native code compares it before it believes
// what it read: while it stands still, no range was damaged.
const std::atomic<uint32_t>& ReplacedPages();

}  // namespace millrace
