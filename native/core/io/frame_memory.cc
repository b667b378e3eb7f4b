#include "core/io/frame_memory.h"

#include <bit>
#include <cstdlib>
#include <optional>
#include <utility>

#include "core/io/poison.h"

namespace millrace {

uint64_t FrameMemory::Charge(uint32_t length) const {
  if (length > options_.own_mapping_above_bytes) return RoundUpToPages(length);
  return (uint64_t{length} + Arena::kGranuleBytes - 1) / Arena::kGranuleBytes *
         Arena::kGranuleBytes;
}

Result<FramePlace> FrameMemory::Allocate(uint32_t length, FrameOwner owner) {
  return length > options_.own_mapping_above_bytes ? AllocateOwn(length, owner)
                                                   : AllocateShared(length, owner);
}

Result<FramePlace> FrameMemory::AllocateShared(uint32_t length, FrameOwner owner) {
  for (size_t i = 0;; ++i) {
    if (i == shared_.size()) {
      Result<std::unique_ptr<Arena>> arena = Arena::Create(options_.arena_bytes);
      if (!arena.ok()) return arena.status();
      shared_.push_back(static_cast<uint32_t>(entries_.size()));
      entries_.push_back(Entry{.shared = std::move(*arena), .own = nullptr});
    }
    const uint32_t id = shared_[i];
    Arena& arena = *entries_[id].shared;
    const bool was_empty = arena.empty();
    const uint64_t touched = arena.touched_bytes();
    const std::optional<uint32_t> position = arena.Allocate(length, owner);
    if (!position) {
      if (arena.empty()) return Status(Code::kInvalidArgument);  // larger than an arena
      continue;
    }
    if (was_empty) spare_bytes_ -= touched;
    resident_bytes_ += arena.touched_bytes() - touched;
    return FramePlace{.arena = id, .position = *position, .bytes = arena.data() + *position};
  }
}

Result<FramePlace> FrameMemory::AllocateOwn(uint32_t length, FrameOwner owner) {
  const uint32_t size_class = static_cast<uint32_t>(std::bit_width(length - 1));
  Result<uint32_t> id = TakeOwnMapping(size_class);
  if (!id.ok()) return id.status();
  OwnMapping& own = *entries_[*id].own;
  own.owner = owner;
  own.charge = Charge(length);
  if (own.charge > own.resident) {
    resident_bytes_ += own.charge - own.resident;
    own.resident = own.charge;
  }
  Unpoison(own.memory.data(), length);
  return FramePlace{.arena = *id, .position = 0, .bytes = own.memory.data()};
}

Result<uint32_t> FrameMemory::TakeOwnMapping(uint32_t size_class) {
  SpareMappings& spare = spare_[size_class];
  if (!spare.with_pages.empty()) {
    const uint32_t id = spare.with_pages.back();
    spare.with_pages.pop_back();
    spare_bytes_ -= entries_[id].own->resident;
    return id;
  }
  if (!spare.bare.empty()) {
    const uint32_t id = spare.bare.back();
    spare.bare.pop_back();
    return id;
  }
  Result<AnonymousMapping> memory = AnonymousMapping::Create(size_t{1} << size_class);
  if (!memory.ok()) return memory.status();
  auto own = std::make_unique<OwnMapping>();
  own->memory = std::move(*memory);
  own->size_class = size_class;
  entries_.push_back(Entry{.shared = nullptr, .own = std::move(own)});
  return static_cast<uint32_t>(entries_.size() - 1);
}

FrameMemory::Released FrameMemory::Release(uint32_t id, uint32_t position) {
  if (id >= entries_.size()) std::abort();
  if (entries_[id].shared != nullptr) {
    Arena& arena = *entries_[id].shared;
    const Arena::Released released = arena.Release(position);
    if (arena.empty() && !KeepSpare(arena.touched_bytes())) {
      resident_bytes_ -= arena.touched_bytes();
      arena.GiveBackPages();
    }
    return Released{released.owner, released.bytes};
  }
  OwnMapping& own = *entries_[id].own;
  if (position != 0 || own.charge == 0) std::abort();
  const Released released{own.owner, std::exchange(own.charge, 0)};
  PoisonReleased(own.memory.data(), own.resident);
  SpareMappings& spare = spare_[own.size_class];
  if (KeepSpare(own.resident)) {
    spare.with_pages.push_back(id);
  } else {
    own.memory.GiveBackPages(own.resident);
    resident_bytes_ -= std::exchange(own.resident, 0);
    spare.bare.push_back(id);
  }
  return released;
}

FramePlace FrameMemory::Refresh(const FramePlace& place, uint32_t length) {
  if (entries_[place.arena].shared != nullptr) return place;
  OwnMapping& given_back = *entries_[place.arena].own;
  SpareMappings& spare = spare_[given_back.size_class];
  if (spare.with_pages.empty()) return place;
  // The charge of both is the same, but one of them may have pages from a longer frame.
  const uint32_t id = std::exchange(spare.with_pages.back(), place.arena);
  OwnMapping& taken = *entries_[id].own;
  spare_bytes_ += given_back.resident;
  spare_bytes_ -= taken.resident;
  taken.owner = given_back.owner;
  taken.charge = std::exchange(given_back.charge, 0);
  if (taken.charge > taken.resident) {
    resident_bytes_ += taken.charge - taken.resident;
    taken.resident = taken.charge;
  }
  PoisonReleased(given_back.memory.data(), given_back.resident);
  Unpoison(taken.memory.data(), length);
  return FramePlace{.arena = id, .position = 0, .bytes = taken.memory.data()};
}

bool FrameMemory::KeepSpare(uint64_t bytes) {
  if (spare_bytes_ + bytes > options_.spare_bytes) return false;
  spare_bytes_ += bytes;
  return true;
}

std::span<std::byte> FrameMemory::arena(uint32_t id) const {
  if (id >= entries_.size()) std::abort();
  const Entry& entry = entries_[id];
  if (entry.shared != nullptr) return {entry.shared->data(), entry.shared->size()};
  return {entry.own->memory.data(), entry.own->memory.size()};
}

}  // namespace millrace
