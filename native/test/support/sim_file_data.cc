#include "test/support/sim_file_data.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/fault_guard.h"

namespace millrace::test {
namespace {

constexpr uint64_t kPage = SimFileData::kPageBytes;

uint64_t PagesOf(uint64_t bytes) { return (bytes + kPage - 1) / kPage; }

void Require(bool holds) {
  if (!holds) std::abort();  // the simulator itself is out of memory or descriptors
}

class SimMapping final : public Mapping {
 public:
  SimMapping(void* address, size_t length, bool writable)
      : address_(address),
        length_(length),
        guard_(std::make_unique<GuardedRange>(address, length, writable)) {}
  ~SimMapping() override {
    guard_.reset();
    ::munmap(address_, length_);
  }
  std::byte* data() const override { return static_cast<std::byte*>(address_); }
  size_t size() const override { return length_; }
  bool damaged() const override { return guard_->damaged(); }

 private:
  void* const address_;
  const size_t length_;
  std::unique_ptr<GuardedRange> guard_;
};

}  // namespace

uint64_t CrashFate::Between(uint64_t old_value, uint64_t new_value) {
  switch (NextPage()) {
    case kDropped:
      return old_value;
    case kKept:
      return new_value;
    case kTorn:
      break;
  }
  uint64_t low = std::min(old_value, new_value);
  return low + random_.Below(std::max(old_value, new_value) - low + 1);
}

SimFileData::SimFileData(std::shared_ptr<SimSpace> space)
    : space_(std::move(space)), cache_(::memfd_create("simulated", MFD_CLOEXEC)) {
  Require(cache_.valid());
}

SimFileData::~SimFileData() { space_->used -= allocated_; }

void SimFileData::CatchUpEvictions() {
  if (evictions_seen_ == space_->evictions) return;
  evictions_seen_ = space_->evictions;
  cached_.clear();
}

uint64_t SimFileData::CachedEnd(uint64_t position, uint64_t length) {
  CatchUpEvictions();
  const uint64_t end = position + length;
  if (evictions_seen_ == 0) return end;
  uint64_t at = position;
  while (at < end && cached_.contains(at / kPageBytes)) at = (at / kPageBytes + 1) * kPageBytes;
  return std::min(at, end);
}

void SimFileData::NoteCached(uint64_t position, uint64_t length) {
  CatchUpEvictions();
  if (evictions_seen_ == 0) return;
  for (uint64_t at = position; at < position + length; at = (at / kPageBytes + 1) * kPageBytes)
    cached_.insert(at / kPageBytes);
}

size_t SimFileData::Read(uint64_t position, std::span<std::byte> into) const {
  if (position >= size_) return 0;
  size_t length = static_cast<size_t>(std::min<uint64_t>(into.size(), size_ - position));
  ssize_t got = ::pread(cache_.get(), into.data(), length, static_cast<off_t>(position));
  Require(got == static_cast<ssize_t>(length));
  return length;
}

Status SimFileData::Reserve(uint64_t end) {
  uint64_t needed = PagesOf(end) * kPage;
  if (needed <= allocated_) return Status::Ok();
  uint64_t more = needed - allocated_;
  if (space_->used + more > space_->capacity) return Status::FromErrno(ENOSPC);
  space_->used += more;
  allocated_ = needed;
  return Status::Ok();
}

Status SimFileData::Write(uint64_t position, std::span<const std::byte> bytes) {
  if (bytes.empty()) return Status::Ok();
  uint64_t end = position + bytes.size();
  if (Status status = Reserve(end); !status.ok()) return status;
  ssize_t written =
      ::pwrite(cache_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
  Require(written == static_cast<ssize_t>(bytes.size()));
  size_ = std::max(size_, end);
  modified_ms_ = space_->now_ms;
  NoteCached(position, bytes.size());
  for (uint64_t page = position / kPage; page < PagesOf(end); ++page) {
    touched_.insert(page);
    given_up_.erase(page);  // dirty again, also when the bytes are the same
  }
  return Status::Ok();
}

Status SimFileData::Allocate(uint64_t end) {
  if (Status status = Reserve(end); !status.ok()) return status;
  if (end > size_) {
    // Durable bytes above the old end are left from before a truncation; the cache has zeros there.
    for (uint64_t page = size_ / kPage; page < PagesOf(std::min(end, durable_size_)); ++page)
      touched_.insert(page);
    Require(::ftruncate(cache_.get(), static_cast<off_t>(end)) == 0);
    size_ = end;
  }
  return Status::Ok();
}

Status SimFileData::Truncate(uint64_t size) {
  uint64_t end = std::max(std::max(size, size_), durable_size_);
  for (uint64_t page = std::min(size, size_) / kPage; page < PagesOf(end); ++page)
    touched_.insert(page);
  Require(::ftruncate(cache_.get(), static_cast<off_t>(size)) == 0);
  size_ = size;
  placed_.erase(placed_.lower_bound(PagesOf(size)), placed_.end());
  in_device_.erase(in_device_.lower_bound(size / kPage), in_device_.end());
  modified_ms_ = space_->now_ms;
  uint64_t kept = std::min(allocated_, PagesOf(size) * kPage);
  space_->used -= allocated_ - kept;
  allocated_ = kept;
  return Status::Ok();
}

Status SimFileData::Erase(uint64_t size) {
  if (Status status = Reserve(size); !status.ok()) return status;
  if (Status status = Truncate(0); !status.ok()) return status;
  return Allocate(size);
}

Result<std::unique_ptr<Mapping>> SimFileData::Map(uint64_t length, bool writable) {
  if (length == 0) return Status::FromErrno(EINVAL);
  int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* address = ::mmap(nullptr, length, protection, MAP_SHARED, cache_.get(), 0);
  if (address == MAP_FAILED) return Status::FromErrno(errno);
  mapped_writable_ |= writable;
  return std::unique_ptr<Mapping>(std::make_unique<SimMapping>(address, length, writable));
}

SimFileData::Page SimFileData::CachePage(uint64_t index) const {
  Page page{};
  uint64_t position = index * kPage;
  if (frozen_ != nullptr) {
    if (position < frozen_->size()) {
      std::memcpy(page.data(), frozen_->data() + position,
                  std::min<size_t>(kPage, frozen_->size() - position));
    }
  } else {
    Read(position, page);
  }
  return page;
}

SimFileData::Page SimFileData::DurablePage(uint64_t index) const {
  auto found = durable_.find(index);
  return found == durable_.end() ? Page{} : found->second;
}

std::vector<uint64_t> SimFileData::Candidates() const {
  if (!mapped_writable_) {
    std::set<uint64_t> all = touched_;
    for (const auto& [index, content] : given_up_) all.insert(index);
    return std::vector<uint64_t>(all.begin(), all.end());
  }
  std::vector<uint64_t> all(PagesOf(std::max(size_, durable_size_)));
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

bool SimFileData::GivenUp(uint64_t index, const Page& content) const {
  auto found = given_up_.find(index);
  return found != given_up_.end() && found->second == content;
}

void SimFileData::Sync() {
  for (uint64_t index : Candidates()) {
    if (index >= PagesOf(size_)) {
      durable_.erase(index);
      given_up_.erase(index);
      placed_.erase(index);
      continue;
    }
    placed_.insert(index);
    Page page = CachePage(index);
    if (GivenUp(index, page)) continue;  // clean as far as the kernel knows
    given_up_.erase(index);
    if (page != DurablePage(index)) durable_[index] = page;
  }
  durable_size_ = size_;
  touched_.clear();
  in_device_.clear();
}

void SimFileData::WriteBack() {
  for (uint64_t index : Candidates()) {
    if (index < PagesOf(size_)) in_device_[index] = CachePage(index);
  }
}

void SimFileData::FlushDevice() {
  for (const auto& [index, page] : in_device_) {
    if (!placed_.contains(index) || index >= PagesOf(durable_size_)) continue;
    durable_[index] = page;
    if (page == CachePage(index)) touched_.erase(index);
  }
  in_device_.clear();
}

void SimFileData::FailSync() {
  for (uint64_t index : Candidates()) {
    if (index >= PagesOf(size_)) continue;
    Page page = CachePage(index);
    if (page != DurablePage(index)) given_up_[index] = page;
  }
  touched_.clear();
}

void SimFileData::DropCache(Random& random) {
  for (auto given_up = given_up_.begin(); given_up != given_up_.end();) {
    const auto [index, content] = *given_up++;
    if (index >= PagesOf(size_) || CachePage(index) != content) continue;
    if (random.Chance(3)) continue;  // advice: a page that is in use stays
    const Page page = DurablePage(index);
    const uint64_t position = index * kPage;
    const size_t length = static_cast<size_t>(std::min<uint64_t>(kPage, size_ - position));
    ssize_t written = ::pwrite(cache_.get(), page.data(), length, static_cast<off_t>(position));
    Require(written == static_cast<ssize_t>(length));
    given_up_.erase(index);
  }
}

void SimFileData::Freeze() {
  if (!mapped_writable_ || frozen_ != nullptr) return;
  auto copy = std::make_unique<std::vector<std::byte>>(size_);
  Read(0, *copy);
  frozen_ = std::move(copy);
}

// Sets a page of a file that is being built, cut at `size`, in both images.
void SimFileData::StorePage(uint64_t index, const Page& page, uint64_t size) {
  uint64_t position = index * kPage;
  if (position >= size) return;
  size_t length = static_cast<size_t>(std::min<uint64_t>(kPage, size - position));
  Page cut{};
  std::memcpy(cut.data(), page.data(), length);
  if (cut == Page{}) {
    durable_.erase(index);
  } else {
    durable_[index] = cut;
  }
  ssize_t written = ::pwrite(cache_.get(), cut.data(), length, static_cast<off_t>(position));
  Require(written == static_cast<ssize_t>(length));
}

std::shared_ptr<SimFileData> SimFileData::AfterPowerLoss(CrashFate& fate,
                                                         std::shared_ptr<SimSpace> space) const {
  auto after = std::make_shared<SimFileData>(std::move(space));
  uint64_t size = fate.Between(durable_size_, size_);
  Require(::ftruncate(after->cache_.get(), static_cast<off_t>(size)) == 0);
  after->size_ = after->durable_size_ = size;
  after->modified_ms_ = modified_ms_;
  after->allocated_ = PagesOf(size) * kPage;
  after->space_->used += after->allocated_;
  for (const auto& [index, page] : durable_) after->StorePage(index, page, size);
  for (uint64_t index : Candidates()) {
    // Above the cached end there is nothing new, only what a truncation had not yet taken from the
    // device.
    if (index >= PagesOf(size_)) continue;
    Page old_page = DurablePage(index);
    Page new_page = CachePage(index);
    if (old_page == new_page) continue;
    switch (fate.NextPage()) {
      case CrashFate::kDropped:
        break;
      case CrashFate::kKept:
        after->StorePage(index, new_page, size);
        break;
      case CrashFate::kTorn: {
        constexpr size_t kSectors = kPageBytes / kSectorBytes;
        uint64_t fresh = (uint64_t{1} << (1 + fate.random().Below(kSectors - 1))) - 1;
        if (fate.MixesSectors()) fresh = fate.random().Next();
        for (size_t sector = 0; sector < kSectors; ++sector) {
          if ((fresh >> sector & 1) == 0) continue;
          std::copy_n(new_page.begin() + static_cast<ptrdiff_t>(sector * kSectorBytes),
                      kSectorBytes,
                      old_page.begin() + static_cast<ptrdiff_t>(sector * kSectorBytes));
        }
        after->StorePage(index, old_page, size);
        break;
      }
    }
  }
  return after;
}

std::shared_ptr<SimFileData> SimFileData::AfterProcessDeath(Random& random,
                                                            std::shared_ptr<SimSpace> space) const {
  auto after = std::make_shared<SimFileData>(std::move(space));
  Require(::ftruncate(after->cache_.get(), static_cast<off_t>(size_)) == 0);
  after->size_ = size_;
  after->modified_ms_ = modified_ms_;
  after->allocated_ = allocated_;
  after->space_->used += allocated_;
  after->touched_ = touched_;
  for (uint64_t index = 0; index < PagesOf(size_); ++index) {
    Page page = CachePage(index);
    bool given_up = GivenUp(index, page);
    if (given_up && random.Chance(2)) {
      page = DurablePage(index);
      given_up = false;
    }
    after->StorePage(index, page, size_);
    if (given_up) {
      after->given_up_[index] = page;
    } else if (page != DurablePage(index)) {
      after->touched_.insert(index);  // also what writable mappings left dirty
    }
  }
  after->durable_ = durable_;
  after->durable_size_ = durable_size_;
  return after;
}

}  // namespace millrace::test
