#include "core/clean/offset_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

constexpr uint64_t kShardedFromBytes = 1 << 20;
constexpr size_t kShards = 64;
constexpr size_t kFirstHomes = 256;
// Slots behind the last home. At nine tenths the longest run of used slots is some hundreds.
constexpr size_t kMostSpare = 1024;

size_t SpareOf(size_t homes) { return std::min(kMostSpare, homes / 4 + 4); }

}  // namespace

OffsetMap::OffsetMap(uint64_t bytes, const HashSeed& seed) : seed_(seed) {
  const size_t shards = bytes >= kShardedFromBytes ? kShards : 1;
  // One share is for the shard that grows: it has its old slots and its new ones.
  const size_t slots = static_cast<size_t>(bytes / sizeof(Slot)) / (shards > 1 ? shards + 1 : 1);
  max_homes_ = slots;
  while (max_homes_ > 1 && max_homes_ + SpareOf(max_homes_) > slots) {
    max_homes_ -= std::max<size_t>(1, (max_homes_ + SpareOf(max_homes_) - slots) / 2);
  }
  max_size_ = std::max<size_t>(1, max_homes_ * shards * 9 / 10);
  // A single shard never grows, since it would have to be there twice.
  const size_t homes = shards > 1 ? std::min(kFirstHomes, max_homes_) : max_homes_;
  for (size_t i = 0; i < shards; ++i) shards_.push_back(MakeShard(homes));
}

OffsetMap::Shard OffsetMap::MakeShard(size_t homes) {
  Shard shard;
  shard.homes = std::max<size_t>(homes, 1);
  shard.count = shard.homes + SpareOf(shard.homes);
  shard.slots = std::make_unique_for_overwrite<Slot[]>(shard.count);
  for (size_t i = 0; i < shard.count; ++i) shard.slots[i].offset = -1;
  return shard;
}

// Grows with the hash, so that slots sorted by hash are sorted by home.
size_t OffsetMap::Home(const Shard& shard, const KeyHash& key) {
  return static_cast<size_t>((static_cast<unsigned __int128>(key.low) * shard.homes) >> 64);
}

bool OffsetMap::Grow(Shard& shard) {
  if (shard.homes >= max_homes_) return false;
  Shard larger = MakeShard(std::min(shard.homes * 2, max_homes_));
  size_t next = 0;
  for (size_t i = 0; i < shard.count; ++i) {
    if (shard.slots[i].offset < 0) continue;
    next = std::max(next, Home(larger, shard.slots[i].key));
    if (next >= larger.count) return false;
    larger.slots[next++] = shard.slots[i];
  }
  larger.used = shard.used;
  shard = std::move(larger);
  return true;
}

bool OffsetMap::Put(const KeyHash& key, Offset offset) {
  Shard& shard = shards_[ShardOf(key)];
  for (;;) {
    size_t at = Home(shard, key);
    while (at < shard.count && shard.slots[at].offset >= 0 && shard.slots[at].key.low < key.low)
      ++at;
    size_t same = at;
    while (same < shard.count && shard.slots[same].offset >= 0 &&
           shard.slots[same].key.low == key.low) {
      if (shard.slots[same].key.high == key.high) {
        shard.slots[same].offset = std::max(shard.slots[same].offset, offset);
        return true;
      }
      ++same;
    }
    if (full()) return false;
    size_t free = at;
    while (free < shard.count && shard.slots[free].offset >= 0) ++free;
    const bool crowded = shard.used >= shard.homes / 10 * 9 && shard.homes < max_homes_;
    if (free == shard.count || crowded) {
      if (Grow(shard)) continue;
      if (free == shard.count) {
        overflowed_ = true;
        return false;
      }
    }
    std::memmove(&shard.slots[at + 1], &shard.slots[at], (free - at) * sizeof(Slot));
    shard.slots[at] = {key, offset};
    ++shard.used;
    ++size_;
    return true;
  }
}

Offset OffsetMap::Find(const KeyHash& key) const {
  const Shard& shard = shards_[ShardOf(key)];
  for (size_t at = Home(shard, key); at < shard.count; ++at) {
    const Slot& slot = shard.slots[at];
    if (slot.offset < 0 || slot.key.low > key.low) return -1;
    if (slot.key == key) return slot.offset;
  }
  return -1;
}

}  // namespace millrace
