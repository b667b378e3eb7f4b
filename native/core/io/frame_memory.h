#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/status.h"
#include "core/io/anonymous_mapping.h"
#include "core/io/arena.h"

namespace millrace {

// Where a frame lies, as JavaScript sees it (arena, position) and as we do.
struct FramePlace {
  uint32_t arena = 0;
  uint32_t position = 0;
  std::byte* bytes = nullptr;
};

// The memory of all frames: shared arenas for small ones, mappings of their own (an arena with one
// frame) for large ones. Arenas of both kinds share one dense row of ids.
//
// Nothing is unmapped before the end: JavaScript holds a view of each arena, and a view of an
// address that is somebody else's by now cannot be told from a good one. So own mappings come in
// powers of two, are used again for their size, and give back pages, never addresses. At most
// budget / 2^k of size 2^(k+1) can ever be in use at once, which bounds the addresses taken to
// twice the budget per size.
//
// Loop thread only; the bytes of a held frame belong to its holder.
class FrameMemory {
 public:
  struct Options {
    uint32_t arena_bytes;
    uint32_t own_mapping_above_bytes;
    uint64_t spare_bytes;  // pages kept in empty arenas for the next frames
  };

  explicit FrameMemory(const Options& options) : options_(options) {}

  // The bytes of memory a frame takes, which is what it costs the budget.
  uint64_t Charge(uint32_t length) const;

  Result<FramePlace> Allocate(uint32_t length, FrameOwner owner);
  // A place for a frame of `length` bytes instead of `place`, where nothing of it has arrived yet:
  // the memory that was released last, which the processor's cache may still hold.
  FramePlace Refresh(const FramePlace& place, uint32_t length);

  struct Released {
    FrameOwner owner;
    uint64_t charge;
  };
  // Ends the process when no frame is there.
  Released Release(uint32_t arena, uint32_t position);

  std::span<std::byte> arena(uint32_t id) const;
  // Bytes that may have pages behind them.
  uint64_t resident_bytes() const { return resident_bytes_; }

 private:
  struct OwnMapping {
    AnonymousMapping memory;
    FrameOwner owner;
    uint64_t charge = 0;    // 0: no frame
    uint64_t resident = 0;  // bytes from its start that may have pages
    uint32_t size_class = 0;
  };
  // Exactly one of the two.
  struct Entry {
    std::unique_ptr<Arena> shared;
    std::unique_ptr<OwnMapping> own;
  };
  struct SpareMappings {
    std::vector<uint32_t> with_pages;
    std::vector<uint32_t> bare;
  };

  Result<FramePlace> AllocateShared(uint32_t length, FrameOwner owner);
  Result<FramePlace> AllocateOwn(uint32_t length, FrameOwner owner);
  Result<uint32_t> TakeOwnMapping(uint32_t size_class);
  // Counts `bytes` of pages as spare when they may be kept.
  bool KeepSpare(uint64_t bytes);

  const Options options_;
  std::vector<Entry> entries_;           // by id
  std::vector<uint32_t> shared_;         // ids of shared arenas, oldest first: those fill up first
  std::array<SpareMappings, 33> spare_;  // by size class: mappings of 2^n bytes
  uint64_t spare_bytes_ = 0;             // pages in empty arenas and unused mappings
  uint64_t resident_bytes_ = 0;
};

}  // namespace millrace
