#include "core/embedded/open_batch.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "core/base/unique_fd.h"

namespace millrace {
namespace {

constexpr uint64_t kMagic = 0x4843544142504F4D;  // "MOPBATCH"
constexpr uint32_t kVersion = 1;

constexpr size_t kMagicAt = 0;
constexpr size_t kVersionAt = 8;
constexpr size_t kBootIdAt = 16;
constexpr size_t kSlotsAt = 64;
constexpr size_t kSlotWords = 8;  // of 8 bytes
constexpr size_t kStartAt = 192;
constexpr size_t kDurableAt = 200;
constexpr size_t kSealedEndAt = 208;
constexpr size_t kChangesAt = 216;
constexpr size_t kStateAt = 224;

// Readers may meet the writer in the middle of a slot, but not in both again and again.
constexpr int kLooks = 1000;

template <typename T>
std::atomic_ref<T> At(std::byte* page, size_t position) {
  return std::atomic_ref<T>(*reinterpret_cast<T*>(page + position));
}

// A word at a time, each into what the words before it gave: cheap enough for every append, and any
// word that is of another header changes the outcome.
uint32_t Mix(uint32_t hash, uint64_t word) {
  uint64_t mixed = (hash ^ word) * 0x9E3779B97F4A7C15;
  return static_cast<uint32_t>(mixed ^ (mixed >> 32));
}

struct Words {
  uint64_t word[kSlotWords];
};

uint64_t Join(uint32_t low, uint32_t high) { return low | uint64_t{high} << 32; }

uint32_t MixRun(const OpenBatch& batch) {
  uint32_t hash = kVersion;
  hash = Mix(hash, static_cast<uint64_t>(batch.segment_base_offset));
  hash = Mix(hash, static_cast<uint64_t>(batch.base_offset));
  hash = Mix(hash, static_cast<uint64_t>(batch.base_timestamp));
  return Mix(hash, Join(batch.position, batch.flags));
}

uint32_t MixRest(uint32_t run, const OpenBatch& batch) {
  uint32_t hash = Mix(run, batch.sequence);
  hash = Mix(hash, static_cast<uint64_t>(batch.max_timestamp));
  return Mix(hash, Join(batch.bytes, batch.record_count));
}

std::optional<OpenBatch> LoadSlot(std::byte* page, size_t slot) {
  Words words;
  for (size_t i = kSlotWords; i-- > 0;) {
    words.word[i] =
        At<uint64_t>(page, kSlotsAt + (slot * kSlotWords + i) * 8).load(std::memory_order_acquire);
  }
  OpenBatch batch;
  batch.segment_base_offset = static_cast<Offset>(words.word[0]);
  batch.base_offset = static_cast<Offset>(words.word[1]);
  batch.base_timestamp = static_cast<int64_t>(words.word[2]);
  batch.position = static_cast<uint32_t>(words.word[3]);
  batch.flags = static_cast<uint32_t>(words.word[3] >> 32);
  batch.sequence = words.word[4];
  batch.max_timestamp = static_cast<int64_t>(words.word[5]);
  batch.bytes = static_cast<uint32_t>(words.word[6]);
  batch.record_count = static_cast<uint32_t>(words.word[6] >> 32);
  const bool whole = words.word[7] >> 32 == MixRest(MixRun(batch), batch) &&
                     static_cast<uint32_t>(words.word[7]) == 0 && (batch.sequence & 1) == slot;
  if (!whole) return std::nullopt;
  return batch;
}

}  // namespace

bool Sidecar::Known() const {
  return At<uint64_t>(page_, kMagicAt).load(std::memory_order_acquire) == kMagic &&
         At<uint32_t>(page_, kVersionAt).load(std::memory_order_relaxed) == kVersion;
}

BootId Sidecar::boot_id() const {
  BootId id;
  std::memcpy(id.data(), page_ + kBootIdAt, id.size());
  return id;
}

// The newer of two whole headers. Where only one is whole, the other is about to become the newest,
// and the one at hand was the truth when the look began. But an even one may have been overtaken
// twice between the two loads, and older than what an earlier look found: then it has changed.
std::optional<OpenBatch> Sidecar::Load() const {
  for (int look = 0; look < kLooks; ++look) {
    const std::optional<OpenBatch> even = LoadSlot(page_, 0);
    const std::optional<OpenBatch> odd = LoadSlot(page_, 1);
    if (even.has_value() && odd.has_value()) return even->sequence > odd->sequence ? even : odd;
    if (even.has_value()) {
      const std::optional<OpenBatch> still = LoadSlot(page_, 0);
      if (still.has_value() && still->sequence == even->sequence) return even;
      continue;
    }
    if (odd.has_value()) return odd;
  }
  return std::nullopt;
}

SidecarFacts Sidecar::facts() const {
  SidecarFacts facts;
  facts.state =
      static_cast<SidecarState>(At<uint32_t>(page_, kStateAt).load(std::memory_order_acquire));
  facts.file_changes = At<uint64_t>(page_, kChangesAt).load(std::memory_order_acquire);
  facts.sealed_end_offset = At<int64_t>(page_, kSealedEndAt).load(std::memory_order_acquire);
  facts.durable_offset = At<int64_t>(page_, kDurableAt).load(std::memory_order_acquire);
  facts.log_start_offset = At<int64_t>(page_, kStartAt).load(std::memory_order_acquire);
  return facts;
}

void Sidecar::Format(const BootId& boot_id) {
  std::memset(page_, 0, kSidecarBytes);
  At<uint32_t>(page_, 12).store(kSidecarBytes, std::memory_order_relaxed);
  At<uint32_t>(page_, kVersionAt).store(kVersion, std::memory_order_relaxed);
  std::memcpy(page_ + kBootIdAt, boot_id.data(), boot_id.size());
  StoreFacts(SidecarFacts());
  At<uint64_t>(page_, kMagicAt).store(kMagic, std::memory_order_release);
}

void Sidecar::Begin(const OpenBatch& batch) {
  const uint64_t sequence = current_.sequence;
  current_ = batch;
  current_.sequence = sequence;
  run_ = MixRun(current_);
}

// Every word is stored with release: whoever sees any of them sees the record bytes before them.
void Sidecar::Publish(uint32_t bytes, uint32_t record_count, int64_t max_timestamp) {
  ++current_.sequence;
  current_.bytes = bytes;
  current_.record_count = record_count;
  current_.max_timestamp = max_timestamp;
  const uint64_t words[kSlotWords] = {
      static_cast<uint64_t>(current_.segment_base_offset),
      static_cast<uint64_t>(current_.base_offset),
      static_cast<uint64_t>(current_.base_timestamp),
      Join(current_.position, current_.flags),
      current_.sequence,
      static_cast<uint64_t>(current_.max_timestamp),
      Join(current_.bytes, current_.record_count),
      uint64_t{MixRest(run_, current_)} << 32,
  };
  const size_t slot = kSlotsAt + (current_.sequence & 1) * kSlotWords * 8;
  for (size_t i = 0; i < kSlotWords; ++i)
    At<uint64_t>(page_, slot + i * 8).store(words[i], std::memory_order_release);
}

void Sidecar::StoreFacts(const SidecarFacts& facts) {
  At<int64_t>(page_, kStartAt).store(facts.log_start_offset, std::memory_order_release);
  At<int64_t>(page_, kDurableAt).store(facts.durable_offset, std::memory_order_release);
  At<int64_t>(page_, kSealedEndAt).store(facts.sealed_end_offset, std::memory_order_release);
  At<uint64_t>(page_, kChangesAt).store(facts.file_changes, std::memory_order_release);
  At<uint32_t>(page_, kStateAt)
      .store(static_cast<uint32_t>(facts.state), std::memory_order_release);
}

BootId CurrentBootId() {
  BootId id{};
  const UniqueFd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  char text[64];
  if (!file.valid()) return id;
  const ssize_t length = ::read(file.get(), text, sizeof text);
  size_t digits = 0;
  for (ssize_t i = 0; i < length && digits < 2 * id.size(); ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    std::byte& byte = id[digits++ / 2];
    byte = (byte << 4) | std::byte{static_cast<uint8_t>(digit)};
  }
  return digits == 2 * id.size() ? id : BootId{};
}

bool SameBoot(const BootId& one, const BootId& other) { return one == other && one != BootId{}; }

}  // namespace millrace
