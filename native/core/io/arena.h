#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/status.h"
#include "core/io/anonymous_mapping.h"
#include "core/io/frame_budget.h"

namespace millrace {

// Whose frame a piece of memory is, kept beside it so that a release needs nothing but its
// position.
struct FrameOwner {
  uint64_t connection = 0;
  BudgetLane lane = BudgetLane::kGeneral;
};

// One long-lived mapping that frames are cut from. A segregated fit: free blocks hang in lists by
// size (powers of two, each in eight steps), a bitmap finds the first list that surely fits, and
// neighbours are merged at once, so both directions take constant time. The bookkeeping lies
// outside the mapping: its bytes belong to whoever holds the frames, and a stray write there breaks
// no list.
//
// Invariant: blocks cover the arena without gaps, and no two free ones are neighbours.
// Loop thread only.
class Arena {
 public:
  static constexpr uint32_t kGranuleBytes = 256;  // frames start at multiples of it
  // Receiving 1 MB frames into huge pages took a tenth less of the broker's time; arenas of this
  // size and above have them.
  static constexpr uint32_t kHugePageBytes = 2u << 20;
  static constexpr uint32_t kHugeArenaBytes = 2 * kHugePageBytes;

  static Result<std::unique_ptr<Arena>> Create(uint32_t bytes);

  // The position of `length` bytes, or nothing when no free block surely holds them.
  std::optional<uint32_t> Allocate(uint32_t length, FrameOwner owner);

  struct Released {
    FrameOwner owner;
    uint32_t bytes;  // whole granules
  };
  // Ends the process when no frame starts at `position`.
  Released Release(uint32_t position);

  std::byte* data() const { return memory_.data(); }
  uint32_t size() const { return granules_ * kGranuleBytes; }
  bool empty() const { return held_ == 0; }

  // Bytes from the start that may have pages behind them.
  uint32_t touched_bytes() const {
    const uint32_t touched = touched_ * kGranuleBytes;
    if (size() < kHugeArenaBytes) return touched;
    return std::min(size(), (touched + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes);
  }
  void GiveBackPages();  // only while empty

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kUsed = 1u << 31;
  static constexpr uint32_t kReserve = 1u << 30;
  static constexpr uint32_t kCount = kReserve - 1;
  static constexpr uint32_t kLists = 256;

  // One per granule; zero where no block starts or ends.
  struct Tag {
    uint32_t head;       // a block starts here: its granules, kUsed, kReserve
    uint32_t free_tail;  // a free block ends here: its granules
    union {
      struct {
        uint32_t previous, next;  // of a free block, in its list
      };
      uint64_t connection;  // of a used one
    };
  };

  Arena(AnonymousMapping memory, AnonymousMapping tags, uint32_t granules);

  static uint32_t ListOf(uint32_t granules);
  Tag& tag(uint32_t granule) { return reinterpret_cast<Tag*>(tags_.data())[granule]; }
  uint32_t FindFree(uint32_t granules);
  void Insert(uint32_t granule, uint32_t granules);
  void Remove(uint32_t granule);

  AnonymousMapping memory_;
  AnonymousMapping tags_;
  uint32_t granules_;
  uint32_t held_ = 0;     // used blocks
  uint32_t touched_ = 0;  // granules
  std::array<uint32_t, kLists> lists_;
  std::array<uint64_t, kLists / 64> occupied_{};  // a bit per list that is not empty
};

}  // namespace millrace
