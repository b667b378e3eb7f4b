#include "core/base/fault_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace millrace {

// One registered range. Written under the registry's mutex; read by the signal handler on any
// thread without one.
struct GuardedRange::Slot {
  std::atomic<uintptr_t> begin{
      0};  // 0: free. Changed last when registering, first when letting go.
  std::atomic<size_t> length{0};
  std::atomic<bool> writable{false};
  std::atomic<bool> damaged{false};
  std::atomic<uintptr_t> damaged_at{0};
};

namespace {
std::atomic<uint32_t> replaced_pages{0};
}  // namespace

class FaultRegistry {
 public:
  using Slot = GuardedRange::Slot;

  static FaultRegistry& Instance() {
    // Never destroyed: a mapping may outlive static destruction, and the handler outlives
    // everything.
    static FaultRegistry* const registry = std::make_unique<FaultRegistry>().release();
    return *registry;
  }

  FaultRegistry() {
    page_bytes_ = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    current_.store(this, std::memory_order_release);
    ::sigaction(SIGBUS, nullptr, &previous_);
    struct sigaction action = {};
    action.sa_sigaction = &FaultRegistry::OnSigbus;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    action.sa_mask = previous_.sa_mask;
    ::sigaction(SIGBUS, &action, nullptr);
  }

  Slot* Take(void* begin, size_t length, bool writable) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) Grow();
    Slot* slot = free_.back();
    free_.pop_back();
    slot->writable.store(writable, std::memory_order_relaxed);
    slot->damaged.store(false, std::memory_order_relaxed);
    // Release, so that a handler that sees the new length also sees that the slot was free before
    // (see Find).
    slot->length.store(length, std::memory_order_release);
    slot->begin.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_release);
    return slot;
  }

  void Return(Slot* slot) {
    std::lock_guard<std::mutex> lock(mutex_);
    slot->begin.store(0, std::memory_order_release);
    free_.push_back(slot);
  }

 private:
  static constexpr size_t kSlotsPerChunk = 256;
  struct Chunk {
    std::array<Slot, kSlotsPerChunk> slots;
    Chunk* next = nullptr;  // constant once the chunk is published
  };

  void Grow() {
    Chunk* chunk = std::make_unique<Chunk>().release();  // lives as long as the process
    chunk->next = chunks_.load(std::memory_order_relaxed);
    free_.reserve(free_.size() + kSlotsPerChunk);
    for (Slot& slot : chunk->slots) free_.push_back(&slot);
    chunks_.store(chunk, std::memory_order_release);
  }

  // Async-signal-safe: loads only. The slot that truly covers `address` cannot change while its
  // owner is faulting in it. Any other slot may be changing hands; reading `begin` again catches a
  // length that belongs to its next owner.
  Slot* Find(uintptr_t address) const {
    for (Chunk* chunk = chunks_.load(std::memory_order_acquire); chunk != nullptr;
         chunk = chunk->next) {
      for (Slot& slot : chunk->slots) {
        uintptr_t begin = slot.begin.load(std::memory_order_acquire);
        if (begin == 0 || address < begin) continue;
        size_t length = slot.length.load(std::memory_order_acquire);
        if (address - begin >= length) continue;
        if (slot.begin.load(std::memory_order_relaxed) == begin) return &slot;
      }
    }
    return nullptr;
  }

  bool Repair(uintptr_t address) const {
    Slot* slot = Find(address);
    if (slot == nullptr) return false;
    // Before the page appears: whoever reads its zeros must be able to see the flag.
    slot->damaged_at.store(address, std::memory_order_relaxed);
    slot->damaged.store(true, std::memory_order_seq_cst);
    replaced_pages.fetch_add(1, std::memory_order_seq_cst);
    int protection = PROT_READ | (slot->writable.load(std::memory_order_relaxed) ? PROT_WRITE : 0);
    // The raw call: sanitizers intercept mmap with code that is not safe inside a handler.
    long mapped = ::syscall(SYS_mmap, address & ~(page_bytes_ - 1), page_bytes_, protection,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0L);
    return mapped != -1;
  }

  static void OnSigbus(int signal, siginfo_t* info, void* context) {
    int saved_errno = errno;
    const FaultRegistry* registry = current_.load(std::memory_order_acquire);
    // A positive si_code comes from the kernel; BUS_MCEERR_AO is news about a page nobody is
    // touching.
    bool fault = info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
    bool repaired = fault && registry->Repair(reinterpret_cast<uintptr_t>(info->si_addr));
    errno = saved_errno;
    if (!repaired) registry->PassOn(signal, info, context);
  }

  void PassOn(int signal, siginfo_t* info, void* context) const {
    if ((previous_.sa_flags & SA_SIGINFO) != 0) {
      previous_.sa_sigaction(signal, info, context);
    } else if (previous_.sa_handler == SIG_DFL ||
               (previous_.sa_handler == SIG_IGN && info->si_code > 0)) {
      // A fault that is ignored would repeat for ever, so the kernel treats it as default too.
      // Returning repeats the fault; a signal that was sent has to be sent again, and arrives when
      // this handler returns.
      struct sigaction action = {};
      action.sa_handler = SIG_DFL;
      ::sigaction(signal, &action, nullptr);
      if (info->si_code <= 0) ::raise(signal);
    } else if (previous_.sa_handler != SIG_IGN) {
      previous_.sa_handler(signal);
    }
  }

  static std::atomic<FaultRegistry*> current_;

  uintptr_t page_bytes_ = 0;             // constant after construction
  struct sigaction previous_ = {};       // constant after construction
  std::atomic<Chunk*> chunks_{nullptr};  // newest first; chunks are never removed
  std::mutex mutex_;
  std::vector<Slot*> free_;  // guarded by mutex_
};

std::atomic<FaultRegistry*> FaultRegistry::current_{nullptr};

GuardedRange::GuardedRange(void* begin, size_t length, bool writable)
    : slot_(FaultRegistry::Instance().Take(begin, length, writable)) {}

GuardedRange::~GuardedRange() { FaultRegistry::Instance().Return(slot_); }

bool GuardedRange::damaged() const { return slot_->damaged.load(std::memory_order_acquire); }

size_t GuardedRange::last_damage() const {
  return slot_->damaged_at.load(std::memory_order_relaxed) -
         slot_->begin.load(std::memory_order_relaxed);
}

void GuardedRange::Rearm() { slot_->damaged.store(false, std::memory_order_seq_cst); }

const std::atomic<uint32_t>& ReplacedPages() { return replaced_pages; }

}  // namespace millrace
