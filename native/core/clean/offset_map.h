#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/clean/key_hash.h"
#include "core/log/batch.h"

namespace millrace {

// The last offset of each key, in bounded memory: 24 bytes a slot, nine tenths of the slots in use
// at most. It begins small and grows with what is put in; what it holds, and for a moment while it
// grows, never exceeds the bytes that it was given. One thread.
//
// Keys are spread over shards that grow one at a time. Within a shard the slots in use are sorted
// by hash, each at or behind the place that its hash stands for and with no free slot in between: a
// search ends at the first larger hash, and a shard is copied to a larger one from front to back.
class OffsetMap {
 public:
  OffsetMap(uint64_t bytes, const HashSeed& seed);

  const HashSeed& seed() const { return seed_; }
  size_t size() const { return size_; }
  size_t max_size() const { return max_size_; }
  // Whether another key is sure to fit.
  bool full() const { return size_ >= max_size_ || overflowed_; }

  // `offset` takes the place of a smaller one. Returns false, and from then on is full, when there
  // is no room for a new key.
  bool Put(const KeyHash& key, Offset offset);
  // -1 when the key is not there.
  Offset Find(const KeyHash& key) const;

 private:
  struct Slot {
    KeyHash key;
    Offset offset;  // -1: free
  };
  struct Shard {
    std::unique_ptr<Slot[]> slots;
    size_t homes = 0;  // places that a hash can stand for; slots behind them take what overflows
    size_t count = 0;
    size_t used = 0;
  };

  static size_t Home(const Shard& shard, const KeyHash& key);
  static Shard MakeShard(size_t homes);
  size_t ShardOf(const KeyHash& key) const {
    return static_cast<size_t>(key.high >> 32) & (shards_.size() - 1);
  }
  bool Grow(Shard& shard);

  const HashSeed seed_;
  std::vector<Shard> shards_;  // a power of two of them
  size_t max_homes_ = 0;       // of one shard
  size_t max_size_ = 0;
  size_t size_ = 0;
  bool overflowed_ = false;
};

}  // namespace millrace
