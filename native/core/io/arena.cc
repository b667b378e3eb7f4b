#include "core/io/arena.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "core/io/poison.h"

namespace millrace {

Result<std::unique_ptr<Arena>> Arena::Create(uint32_t bytes) {
  const uint32_t granules = bytes / kGranuleBytes;
  if (granules == 0 || granules > kCount) return Status(Code::kInvalidArgument);
  Result<AnonymousMapping> memory = AnonymousMapping::Create(size_t{granules} * kGranuleBytes);
  if (!memory.ok()) return memory.status();
  if (memory->size() >= kHugeArenaBytes) memory->PreferHugePages();
  Result<AnonymousMapping> tags = AnonymousMapping::Create(size_t{granules} * sizeof(Tag));
  if (!tags.ok()) return tags.status();
  return std::unique_ptr<Arena>(new Arena(std::move(*memory), std::move(*tags), granules));
}

Arena::Arena(AnonymousMapping memory, AnonymousMapping tags, uint32_t granules)
    : memory_(std::move(memory)), tags_(std::move(tags)), granules_(granules) {
  lists_.fill(kNone);
  Insert(0, granules_);
  Poison(data(), size());
}

uint32_t Arena::ListOf(uint32_t granules) {
  if (granules < 8) return granules;
  const uint32_t power = static_cast<uint32_t>(std::bit_width(granules)) - 1;
  return (power - 2) * 8 + ((granules >> (power - 3)) & 7);
}

std::optional<uint32_t> Arena::Allocate(uint32_t length, FrameOwner owner) {
  if (length == 0 || length > size()) return std::nullopt;
  const uint32_t wanted = (length - 1) / kGranuleBytes + 1;
  const uint32_t granule = FindFree(wanted);
  if (granule == kNone) return std::nullopt;
  const uint32_t found = tag(granule).head;
  Remove(granule);
  if (found > wanted) Insert(granule + wanted, found - wanted);
  Tag& block = tag(granule);
  block.head = wanted | kUsed | (owner.lane == BudgetLane::kReserve ? kReserve : 0);
  block.connection = owner.connection;
  ++held_;
  touched_ = std::max(touched_, granule + wanted);
  Unpoison(data() + size_t{granule} * kGranuleBytes, length);
  return granule * kGranuleBytes;
}

Arena::Released Arena::Release(uint32_t position) {
  uint32_t granule = position / kGranuleBytes;
  if (position % kGranuleBytes != 0 || granule >= granules_) std::abort();
  Tag& block = tag(granule);
  if ((block.head & kUsed) == 0) std::abort();
  uint32_t granules = block.head & kCount;
  const Released released{
      .owner = {.connection = block.connection,
                .lane = (block.head & kReserve) != 0 ? BudgetLane::kReserve : BudgetLane::kGeneral},
      .bytes = granules * kGranuleBytes};
  PoisonReleased(data() + position, released.bytes);
  --held_;
  block.head = 0;
  if (const uint32_t after = granule + granules; after < granules_) {
    const uint32_t head = tag(after).head;
    if ((head & kUsed) == 0) {
      Remove(after);
      granules += head;
    }
  }
  if (granule > 0 && tag(granule - 1).free_tail != 0) {
    const uint32_t before = tag(granule - 1).free_tail;
    granule -= before;
    Remove(granule);
    granules += before;
  }
  Insert(granule, granules);
  return released;
}

void Arena::GiveBackPages() {
  if (!empty()) std::abort();
  memory_.GiveBackPages(touched_bytes());
  touched_ = 0;
}

// Looks in the lists whose every block is large enough; then at the first block of the list that
// `granules` itself belongs to, which may be.
uint32_t Arena::FindFree(uint32_t granules) {
  const uint32_t step = granules < 8 ? 0 : (1u << (std::bit_width(granules) - 4)) - 1;
  const uint32_t first = ListOf(granules + step);
  uint64_t bits = occupied_[first / 64] & (~uint64_t{0} << (first % 64));
  for (uint32_t word = first / 64;;) {
    if (bits != 0) return lists_[word * 64 + static_cast<uint32_t>(std::countr_zero(bits))];
    if (++word == occupied_.size()) break;
    bits = occupied_[word];
  }
  const uint32_t near = lists_[ListOf(granules)];
  return near != kNone && tag(near).head >= granules ? near : kNone;
}

void Arena::Insert(uint32_t granule, uint32_t granules) {
  const uint32_t list = ListOf(granules);
  Tag& block = tag(granule);
  block.head = granules;
  block.previous = kNone;
  block.next = lists_[list];
  if (block.next != kNone) tag(block.next).previous = granule;
  lists_[list] = granule;
  occupied_[list / 64] |= uint64_t{1} << (list % 64);
  tag(granule + granules - 1).free_tail = granules;
}

void Arena::Remove(uint32_t granule) {
  Tag& block = tag(granule);
  const uint32_t list = ListOf(block.head);
  if (block.next != kNone) tag(block.next).previous = block.previous;
  if (block.previous != kNone) {
    tag(block.previous).next = block.next;
  } else {
    lists_[list] = block.next;
    if (block.next == kNone) occupied_[list / 64] &= ~(uint64_t{1} << (list % 64));
  }
  tag(granule + block.head - 1).free_tail = 0;
  block.head = 0;
}

}  // namespace millrace
