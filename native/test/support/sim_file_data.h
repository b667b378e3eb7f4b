#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/base/disk.h"
#include "core/base/unique_fd.h"
#include "test/support/random.h"

namespace millrace::test {

// How a crash treats what was not synced. Most seeds mix; some lose everything and some nothing,
// since bugs hide there.
class CrashFate {
 public:
  explicit CrashFate(uint64_t seed) : random_(seed), mood_(random_.Below(6)) {}
  enum Page { kDropped, kKept, kTorn };
  Page NextPage() {
    if (mood_ == 0) return kDropped;
    if (mood_ == 1) return kKept;
    return static_cast<Page>(random_.Below(3));
  }
  // Whether a torn page is new up to some sector, or any of its sectors are.
  bool MixesSectors() const { return mood_ == 2; }
  bool NextKept() { return mood_ != 0 && (mood_ == 1 || random_.Chance(2)); }
  // The old value, the new one, or any between.
  uint64_t Between(uint64_t old_value, uint64_t new_value);
  Random& random() { return random_; }

 private:
  Random random_;
  uint64_t mood_;
};

// What all files of one simulated disk share: how much of it is used.
struct SimSpace {
  uint64_t capacity = UINT64_MAX / 4;
  uint64_t used = 0;
  int64_t now_ms = 0;
  uint64_t evictions = 0;  // of all pages of all files
};

// A file as two images. The cache is what processes see: a memfd, so that mappings of it are real
// ones, stay where they are, and fault beyond its end. The durable image is what the device holds.
// Guarded by the disk's mutex, except that writable mappings change the cache whenever they like;
// what is dirty is therefore found by comparing pages.
class SimFileData {
 public:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kSectorBytes = 512;
  using Page = std::array<std::byte, kPageBytes>;

  explicit SimFileData(std::shared_ptr<SimSpace> space);
  ~SimFileData();

  uint64_t size() const { return size_; }
  int64_t modified_ms() const { return modified_ms_; }
  void SetModifiedMs(int64_t modified_ms) { modified_ms_ = modified_ms; }
  // Where the cached pages end that begin at `position`, `length` bytes on at most.
  uint64_t CachedEnd(uint64_t position, uint64_t length);
  void NoteCached(uint64_t position, uint64_t length);
  size_t Read(uint64_t position, std::span<std::byte> into) const;
  Status Write(uint64_t position, std::span<const std::byte> bytes);
  Status Allocate(uint64_t end);
  Status Truncate(uint64_t size);
  // Zeros in the cache; until a sync any page may still have its old content on the device.
  Status Erase(uint64_t size);
  Result<std::unique_ptr<Mapping>> Map(uint64_t length, bool writable);

  void Sync();
  // What was written goes into the device's cache, and from there, if the file's place on the disk
  // is known there for it, to the disk when that is flushed.
  void WriteBack();
  void FlushDevice();
  // A sync that reported an error: what was dirty counts as clean from now on although it may not
  // be on the device.
  void FailSync();

  // Pages that a failed sync gave up, and nobody has written since, read as the device has them.
  void DropCache(Random& random);

  // The process died while writable mappings may still be written through: keeps what they hold
  // now.
  void Freeze();

  // The file as the next boot finds it.
  std::shared_ptr<SimFileData> AfterPowerLoss(CrashFate& fate,
                                              std::shared_ptr<SimSpace> space) const;
  // The file as the next process of the same boot finds it: pages given up by a failed sync may
  // have been evicted, and then read as the device has them. What is dirty stays dirty.
  std::shared_ptr<SimFileData> AfterProcessDeath(Random& random,
                                                 std::shared_ptr<SimSpace> space) const;

 private:
  Page CachePage(uint64_t index) const;
  Page DurablePage(uint64_t index) const;
  // Pages whose cache and durable contents may differ, in order.
  std::vector<uint64_t> Candidates() const;
  bool GivenUp(uint64_t index, const Page& content) const;
  Status Reserve(uint64_t end);
  void StorePage(uint64_t index, const Page& page, uint64_t size);

  void CatchUpEvictions();

  const std::shared_ptr<SimSpace> space_;
  uint64_t evictions_seen_ = 0;
  std::set<uint64_t> cached_;  // pages, once there was an eviction; before, all are
  UniqueFd cache_;
  uint64_t size_ = 0;
  int64_t modified_ms_ = 0;           // survives whatever happens
  uint64_t allocated_ = 0;            // bytes backed by blocks: a prefix
  std::map<uint64_t, Page> durable_;  // absent: zeros
  uint64_t durable_size_ = 0;
  std::set<uint64_t> placed_;           // written before a sync: the disk knows their blocks
  std::map<uint64_t, Page> in_device_;  // written back since the device was flushed
  std::set<uint64_t> touched_;          // written since the last sync by calls
  std::map<uint64_t, Page> given_up_;   // contents that a failed sync marked clean
  bool mapped_writable_ = false;        // once true, every page may differ
  std::unique_ptr<std::vector<std::byte>> frozen_;  // the cache when the process died
};

}  // namespace millrace::test
